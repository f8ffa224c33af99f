#include "operations/convolution.h"
#include "operations/convolution_transposed.h"
#include "operations/families.h"

namespace pysmorch {

template class Filtering<float>;
template class Filtering<double>;
template class Convolution<float>;
template class Convolution<double>;

// Several classes compute a convolution in different ways; which one depends on sizes and precision.
template <class T> std::unique_ptr<Operation<T>> make_convolution(const Description& d, const Updater<T>& u) {
    if (auto made = make_depthwise_convolution(d, u)) return made;
#ifdef PYSMORCH_BF16
    if constexpr (std::is_same_v<T, float>)
        if (d.bf16) {
            if (auto made = make_predicting_bf16_convolution(d, u)) return made;
            if (auto made = make_amx_convolution(d, u)) return made;
            if (auto made = make_winograd_bf16_convolution(d, u)) return made;
            if (auto made = make_bf16_convolution(d, u)) return made;
        }
#endif
    if (auto made = make_winograd_convolution(d, u)) return made;
    return std::make_unique<Convolution<T>>(d, u);
}

template <class T> void add_convolutions(Registry<T>& all) {
    all["conv2d"] = {Convolution<T>::signature(), make_convolution<T>};
    all["conv_transpose2d"] = entry<T, TransposedConvolution>();
}
template void add_convolutions(Registry<float>&);
template void add_convolutions(Registry<double>&);

}  // namespace pysmorch
