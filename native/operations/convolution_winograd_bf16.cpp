#include "operations/convolution_winograd.h"
#include "operations/families.h"

namespace pysmorch {

using Made = WinogradConvolution<float, Pair>;

MaybeOperation<float> make_winograd_bf16_convolution(const Description& d, const Updater<float>& u) {
    return Made::pays(d) ? std::make_unique<Made>(d, u) : nullptr;
}

}  // namespace pysmorch
