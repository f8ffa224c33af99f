// Activations and their derivatives, on any stretch of numbers.
#pragma once
#include <stdexcept>
#include <string>

#include "math.h"

namespace pysmorch {

enum class Activation : int { none, relu, leaky_relu, sigmoid, tanh, gelu, silu, mish, selu };

constexpr int NUM_ACTIVATIONS = 9;

inline const char* name_of(Activation a) {
    static const char* const names[] = {"none", "relu", "leaky_relu", "sigmoid", "tanh", "gelu", "silu", "mish", "selu"};
    return names[int(a)];
}

inline Activation activation_named(const std::string& name) {
    for (int i = 0; i < NUM_ACTIVATIONS; ++i)
        if (name == name_of(static_cast<Activation>(i))) return static_cast<Activation>(i);
    throw std::invalid_argument("there is no activation " + name);
}

// Whether the derivative follows from the output, so that an operation may include the activation and need not store its input.
inline bool is_fusable(Activation a) { return a == Activation::none || a == Activation::relu || a == Activation::sigmoid || a == Activation::tanh; }

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

constexpr double SELU_ALPHA = 1.6732632423543772, SELU_SCALE = 1.0507009873554805;
constexpr double SQRT_HALF = 0.70710678118654752440, INVERSE_SQRT_2PI = 0.39894228040143267794;

template <class T> inline Vec<T> softplus(Vec<T> x) {
    return vmax<T>(x, Vec<T>{}) + vlog1p_unit(vexp(-absolute(x)));
}
// Mish: tanh(softplus(x)).
template <class T> inline Vec<T> tanh_softplus(Vec<T> x) { return vtanh(softplus<T>(x)); }
template <class T> inline Vec<T> normal_distribution(Vec<T> x) {
    return (verf(x * T(SQRT_HALF)) + T(1)) * T(0.5);
}

template <class T> void activate(Activation kind, T slope, const T* x, T* y, size_t n) {
    using V = Vec<T>;
    const V zero{};
    switch (kind) {
        case Activation::none: if (x != y) std::memcpy(y, x, n * sizeof(T)); break;
        case Activation::relu: each_lane(y, x, n, [&](V v) { return vmax<T>(zero, v); }); break;
        case Activation::leaky_relu: each_lane(y, x, n, [&](V v) { return V(v > zero ? v : v * slope); }); break;
        case Activation::sigmoid: each_lane(y, x, n, [&](V v) { return vsigmoid(v); }); break;
        case Activation::tanh: each_lane(y, x, n, [&](V v) { return vtanh(v); }); break;
        case Activation::gelu: each_lane(y, x, n, [&](V v) { return v * normal_distribution<T>(v); }); break;
        case Activation::silu: each_lane(y, x, n, [&](V v) { return v * vsigmoid(v); }); break;
        case Activation::mish: each_lane(y, x, n, [&](V v) { return v * tanh_softplus<T>(v); }); break;
        case Activation::selu:
            each_lane(y, x, n, [&](V v) {
                return V(v > zero ? v : vexpm1(vmin<T>(v, zero)) * T(SELU_ALPHA)) * T(SELU_SCALE);
            });
            break;
    }
}

// g = d * derivative; the derivative comes from the output y for relu, sigmoid and tanh, from the input x else.
template <class T> void activate_back(Activation kind, T slope, const T* x, const T* y, const T* d, T* g, size_t n) {
    using V = Vec<T>;
    const V zero{};
    const V one = zero + T(1);
    switch (kind) {
        case Activation::none: if (d != g) std::memcpy(g, d, n * sizeof(T)); break;
        case Activation::relu: each_lane(g, y, d, n, [&](V v, V e) { return V(v > zero ? e : zero); }); break;
        case Activation::leaky_relu: each_lane(g, x, d, n, [&](V v, V e) { return V(v > zero ? e : e * slope); }); break;
        case Activation::sigmoid: each_lane(g, y, d, n, [&](V v, V e) { return e * v * (one - v); }); break;
        case Activation::tanh: each_lane(g, y, d, n, [&](V v, V e) { return e * (one - v * v); }); break;
        case Activation::gelu:
            each_lane(g, x, d, n, [&](V v, V e) {
                const V kept = vmin<T>(vmax<T>(v, zero - T(40)), zero + T(40));
                return e * (normal_distribution<T>(v) + v * vexp(kept * kept * T(-0.5)) * T(INVERSE_SQRT_2PI));
            });
            break;
        case Activation::silu:
            each_lane(g, x, d, n, [&](V v, V e) { return e * vsigmoid(v) * (one + v * vsigmoid(-v)); });
            break;
        case Activation::mish:
            each_lane(g, x, d, n, [&](V v, V e) {
                const V t = tanh_softplus<T>(v);
                return e * (t + v * vsigmoid(v) * (one - t * t));
            });
            break;
        case Activation::selu:
            each_lane(g, x, d, n, [&](V v, V e) {
                return e * V(v > zero ? one : vexp(vmin<T>(v, zero)) * T(SELU_ALPHA)) * T(SELU_SCALE);
            });
            break;
    }
}

}  // namespace pysmorch
