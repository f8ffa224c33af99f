#include "operations/dense.h"
#include "operations/dense_amx.h"
#include "operations/dense_dot.h"
#include "operations/dense_runs.h"
#include "operations/families.h"

namespace pysmorch {

// Several classes compute a dense block in different ways; which one depends on the precision and the processor.
template <class T> std::unique_ptr<Operation<T>> make_dense(const Description& d, const Updater<T>& u) {
    if constexpr (std::is_same_v<T, float>)
        if (!d.runs.empty() && !d.bf16) return std::make_unique<DenseRuns>(d, u);
    require(d.runs.empty() && !d.parameter("factors").data, "only products of float32 have runs of columns");
#ifdef PYSMORCH_BF16
    if constexpr (std::is_same_v<T, float>)
        if (d.bf16) {
            if (AmxTiles::usable()) return std::make_unique<DenseAmx>(d, u);
            return std::make_unique<DenseDot>(d, u);
        }
#endif
    return std::make_unique<Dense<T>>(d, u);
}

template <class T> void add_dense(Registry<T>& all) { all["linear"] = {Dense<T>::signature(), make_dense<T>}; }
template void add_dense(Registry<float>&);
template void add_dense(Registry<double>&);

}  // namespace pysmorch
