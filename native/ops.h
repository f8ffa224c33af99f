// Operations of a program: one struct describes one; forward and backward work on a range of rows ("shard").
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gemm.h"
#include "math.h"

namespace pysmorch {

enum class Activation : int { none, relu, leaky_relu, sigmoid, tanh, gelu, silu, mish, selu };

enum class Kind : int {
    dense,        // activation(X W + b)
    bias,         // X + w
    scale,        // X * w
    activation,
    dropout,
    normalize,
    layer_normalize,
    add,
    multiply,
    concat,
    embedding,
};

struct Op {
    Kind kind;
    std::vector<int> inputs;
    int output = 0;
    int64_t weights = -1;     // offset of W among the parameters
    int64_t bias = -1;        // offset of the bias of a dense block
    size_t D = 0, K = 0;      // rows and columns of W; for others K is the size of the last axis
    Activation activation = Activation::none;
    double a = 0, b = 0;      // slope, rate, epsilon; momentum
    int64_t place = 0;        // stream of random numbers
    int64_t state = -1;       // which pair of running statistics
};

// Columns of a value, the distance between its rows, and where its rows and their gradients are.
template <class T> struct Value {
    size_t cols = 0, stride = 0;
    bool needs_grad = false;
    bool is_index = false;
    T* data = nullptr;
    T* grad = nullptr;
    int64_t* index = nullptr;
};

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
        case Activation::relu: each_lane(y, x, n, [&](V v) { return vmax<T>(v, zero); }); break;
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

// Philox4x32-10; word i of the stream (seed, place, step).
inline uint32_t philox_word(uint64_t seed, uint32_t place, uint64_t step, uint64_t i) {
    uint32_t c[4] = {uint32_t(i / 4), place, uint32_t(step), uint32_t(step >> 32)};
    uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        const uint64_t p0 = uint64_t(0xD2511F53u) * c[0], p1 = uint64_t(0xCD9E8D57u) * c[2];
        const uint32_t n0 = uint32_t(p1 >> 32) ^ c[1] ^ k0, n2 = uint32_t(p0 >> 32) ^ c[3] ^ k1;
        c[0] = n0; c[1] = uint32_t(p1); c[2] = n2; c[3] = uint32_t(p0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c[i % 4];
}

}  // namespace pysmorch
