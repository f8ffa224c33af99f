// Activations and their derivatives, on any stretch of numbers.
#pragma once
#include <stdexcept>
#include <string>

#include "kernels/math.h"

namespace pysmorch {

enum class Activation : int { none, relu, leaky_relu, sigmoid, tanh, gelu, silu, mish, selu, cos, smooth_clip };

constexpr int NUM_ACTIVATIONS = 11;

inline const char* name_of(Activation a) {
    static const char* const names[] = {"none", "relu", "leaky_relu", "sigmoid", "tanh",       "gelu",
                                        "silu", "mish", "selu",       "cos",     "smooth_clip"};
    return names[int(a)];
}

inline Activation activation_named(const std::string& name) {
    for (int i = 0; i < NUM_ACTIVATIONS; ++i)
        if (name == name_of(static_cast<Activation>(i))) return static_cast<Activation>(i);
    throw std::invalid_argument("there is no activation " + name);
}

// Whether the derivative follows from the output, so that an operation may include the activation and need not store
// its input.
inline bool is_fusable(Activation a) {
    return a == Activation::none || a == Activation::relu || a == Activation::sigmoid || a == Activation::tanh;
}

// Whether it is no more work than to write a number.
inline bool is_simple(Activation a) { return a == Activation::none || a == Activation::relu; }

template <class T, class F> inline void each_lane(T* y, const T* x, size_t n, F f) {
    size_t i = 0;
    for (; i + LANES<T> <= n; i += LANES<T>) store(y + i, f(load(x + i)));
    if (i < n) store_part(y + i, f(load_part(x + i, int(n - i))), int(n - i));
}
template <class T, class F> inline void each_lane(T* y, const T* x, const T* d, size_t n, F f) {
    size_t i = 0;
    for (; i + LANES<T> <= n; i += LANES<T>) store(y + i, f(load(x + i), load(d + i)));
    if (i < n) {
        const int rest = int(n - i);
        store_part(y + i, f(load_part(x + i, rest), load_part(d + i, rest)), rest);
    }
}

// y = activation(x) for n elements; y may be x. The constant is leaky_relu's slope, or smooth_clip's limit.
template <class T> void activate(Activation kind, T constant, const T* x, T* y, size_t n);

// g = d * derivative; the derivative comes from the output y for relu, sigmoid and tanh, from the input x else.
template <class T> void activate_back(Activation kind, T constant, const T* x, const T* y, const T* d, T* g, size_t n);

}  // namespace pysmorch
