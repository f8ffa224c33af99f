#include "operations/convolution_predict_bf16.h"

#include "operations/families.h"

namespace pysmorch {

MaybeOperation<float> make_predicting_bf16_convolution(const Description& d, const Updater<float>& u) {
    const bool predicts_only = u.parameters == nullptr;
    return predicts_only && PredictingConvolution::pays(d) ? std::make_unique<PredictingConvolution>(d, u) : nullptr;
}

}  // namespace pysmorch
