#include "operations/convolution_bf16.h"
#include "operations/families.h"

namespace pysmorch {

MaybeOperation<float> make_bf16_convolution(const Description& d, const Updater<float>& u) {
    return ConvolutionBf16::pays(d) ? std::make_unique<ConvolutionBf16>(d, u) : nullptr;
}

}  // namespace pysmorch
