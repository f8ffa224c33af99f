#include "operations/quantized.h"

#include "operations/families.h"

namespace pysmorch {

template <class T, template <class, class> class O>
std::unique_ptr<Operation<T>> make_quantized(const Description& d, const Updater<T>& u) {
#ifdef PYSMORCH_VNNI
    if (vnni::usable()) return std::make_unique<O<T, Bytes>>(d, u);
#endif
    return std::make_unique<O<T, Shorts>>(d, u);
}

template <class T> void add_quantized(Registry<T>& all) {
    const Signature signature = Quantized<T, Shorts>::signature();
    all["quantized_linear"] = {signature, make_quantized<T, QuantizedDense>};
    all["quantized_conv2d"] = {signature, make_quantized<T, QuantizedConvolution>};
}
template void add_quantized(Registry<float>&);
template void add_quantized(Registry<double>&);

}  // namespace pysmorch
