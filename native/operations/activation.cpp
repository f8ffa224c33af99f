#include "operations/activation.h"
#include "operations/families.h"

namespace pysmorch {

template <class T> void add_activations(Registry<T>& all) {
    for (const char* name : {"relu", "sigmoid", "tanh", "gelu", "silu", "mish", "selu", "cos"})
        all[name] = entry<T, Activate>();
    all["leaky_relu"] = {{.attributes = {"slope"}}, make<T, Activate>};
    all["smooth_clip"] = {{.attributes = {"limit"}}, make<T, Activate>};
}
template void add_activations(Registry<float>&);
template void add_activations(Registry<double>&);

}  // namespace pysmorch
