#include "operations/convolution_amx.h"
#include "operations/families.h"

namespace pysmorch {

MaybeOperation<float> make_amx_convolution(const Description& d, const Updater<float>& u) {
    return ConvolutionAmx::pays(d) ? std::make_unique<ConvolutionAmx>(d, u) : nullptr;
}

}  // namespace pysmorch
