// The families of operations. Each has a source file, which adds its operations to the registry.
// What is cold is called once for a program, or less often, and compiled to be small.
#pragma once
#include "operations/registry.h"

namespace pysmorch {

template <class T> [[gnu::cold]] void add_activations(Registry<T>& all);
template <class T> [[gnu::cold]] void add_convolutions(Registry<T>& all);
template <class T> [[gnu::cold]] void add_dense(Registry<T>& all);
template <class T> [[gnu::cold]] void add_elementwise(Registry<T>& all);
template <class T> [[gnu::cold]] void add_images(Registry<T>& all);
template <class T> [[gnu::cold]] void add_normalizations(Registry<T>& all);
template <class T> [[gnu::cold]] void add_pooling(Registry<T>& all);
template <class T> [[gnu::cold]] void add_quantized(Registry<T>& all);
template <class T> [[gnu::cold]] void add_shapes(Registry<T>& all);

// An entry for a class whose constructor takes a description and the parameters.
template <class T, template <class> class O>
[[gnu::cold]] std::unique_ptr<Operation<T>> make(const Description& d, const Updater<T>& u) {
    return std::make_unique<O<T>>(d, u);
}
template <class T, template <class> class O> [[gnu::cold]] Entry<T> entry() { return {O<T>::signature(), make<T, O>}; }

// Other ways to compute a convolution; null where a way does not apply or does not pay.
template <class T> using MaybeOperation = std::unique_ptr<Operation<T>>;
template <class T>
[[gnu::cold]] MaybeOperation<T> make_depthwise_convolution(const Description& d, const Updater<T>& u);
template <class T> [[gnu::cold]] MaybeOperation<T> make_winograd_convolution(const Description& d, const Updater<T>& u);
#ifdef PYSMORCH_BF16
[[gnu::cold]] MaybeOperation<float> make_predicting_bf16_convolution(const Description& d, const Updater<float>& u);
[[gnu::cold]] MaybeOperation<float> make_amx_convolution(const Description& d, const Updater<float>& u);
[[gnu::cold]] MaybeOperation<float> make_winograd_bf16_convolution(const Description& d, const Updater<float>& u);
[[gnu::cold]] MaybeOperation<float> make_bf16_convolution(const Description& d, const Updater<float>& u);
#endif

}  // namespace pysmorch
