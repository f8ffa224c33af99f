#include "operations/convolution_depthwise.h"
#include "operations/families.h"

namespace pysmorch {

template <class T> MaybeOperation<T> make_depthwise_convolution(const Description& d, const Updater<T>& u) {
    return DepthwiseConvolution<T>::pays(d) ? std::make_unique<DepthwiseConvolution<T>>(d, u) : nullptr;
}
template MaybeOperation<float> make_depthwise_convolution(const Description&, const Updater<float>&);
template MaybeOperation<double> make_depthwise_convolution(const Description&, const Updater<double>&);

}  // namespace pysmorch
