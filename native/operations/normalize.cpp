#include "operations/normalize.h"
#include "operations/families.h"
#include "operations/normalize_rows.h"

namespace pysmorch {

template <class T> void add_normalizations(Registry<T>& all) {
    all["normalize"] = entry<T, Normalize>();
    all["layer_normalize"] = entry<T, LayerNormalize>();
    all["group_normalize"] = entry<T, GroupNormalize>();
}
template void add_normalizations(Registry<float>&);
template void add_normalizations(Registry<double>&);

}  // namespace pysmorch
