#include "operations/elementwise.h"

#include "operations/averaging.h"
#include "operations/families.h"
#include "operations/own.h"

namespace pysmorch {

template <class T> using Bias = Channelwise<T, false>;
template <class T> using Scale = Channelwise<T, true>;
template <class T> using Add = Combine<T, false>;
template <class T> using Multiply = Combine<T, true>;

template <class T> void add_elementwise(Registry<T>& all) {
    all["bias"] = entry<T, Bias>();
    all["scale"] = entry<T, Scale>();
    all["blend"] = entry<T, Blend>();
    all["add"] = entry<T, Add>();
    all["multiply"] = entry<T, Multiply>();
    all["log_mean_softmax"] = entry<T, LogMeanSoftmax>();
    all["dropout"] = entry<T, DropOut>();
    all["rescale"] = entry<T, Rescale>();
    all["own"] = entry<T, Own>();
}
template void add_elementwise(Registry<float>&);
template void add_elementwise(Registry<double>&);

}  // namespace pysmorch
