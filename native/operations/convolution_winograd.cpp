#include "operations/convolution_winograd.h"
#include "operations/families.h"

namespace pysmorch {

template <class T> MaybeOperation<T> make_winograd_convolution(const Description& d, const Updater<T>& u) {
    return WinogradConvolution<T>::pays(d) ? std::make_unique<WinogradConvolution<T>>(d, u) : nullptr;
}
template MaybeOperation<float> make_winograd_convolution(const Description&, const Updater<float>&);
template MaybeOperation<double> make_winograd_convolution(const Description&, const Updater<double>&);

}  // namespace pysmorch
