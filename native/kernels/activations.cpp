#include "kernels/activations.h"

namespace pysmorch {

constexpr double SELU_ALPHA = 1.6732632423543772, SELU_SCALE = 1.0507009873554805;
constexpr double SQRT_HALF = 0.70710678118654752440, INVERSE_SQRT_2PI = 0.39894228040143267794;

// Mish is x tanh(softplus(x)). With e = exp(-|x|) the tanh is numerator / (numerator + rest), where nothing overflows:
// (1 + 2 e) / (1 + 2 e + 2 e^2) for x >= 0, and (2 e + e^2) / (2 e + e^2 + 2) below.
template <class T> struct Mish {
    Vec<T> e, numerator, rest;
    explicit Mish(Vec<T> x) : e(vexp(-absolute(x))) {
        numerator = x >= T(0) ? e + e + T(1) : e * (e + T(2));
        rest = x >= T(0) ? T(2) * e * e : broadcast(T(2));
    }
    Vec<T> of(Vec<T> x) const { return x * numerator / (numerator + rest); }
    // tanh + x sigmoid(x) (1 - tanh^2), with one denominator.
    Vec<T> slope(Vec<T> x) const {
        const Vec<T> sum = numerator + rest, both = sum * (e + T(1));
        const Vec<T> sigmoid = x >= T(0) ? broadcast(T(1)) : e;  // times 1 + e
        return (numerator * both + x * sigmoid * rest * (numerator + sum)) / (sum * both);
    }
};
template <class T> inline Vec<T> normal_distribution(Vec<T> x) { return (verf(x * T(SQRT_HALF)) + T(1)) * T(0.5); }

// x / sqrt(1 + (x / limit)^2); of large x, limit / sqrt(1 + (limit / x)^2), so that no square overflows.
template <class T> inline Vec<T> smooth_clip(Vec<T> x, T limit) {
    const Vec<T> u = absolute(x) / limit, end = x < T(0) ? broadcast(-limit) : broadcast(limit);
    const Vec<T> small = u <= T(1) ? u : T(1) / u;
    return (u <= T(1) ? x : end) / vsqrt(small * small + T(1));
}
template <class T> inline Vec<T> smooth_clip_slope(Vec<T> x, T limit) {
    const Vec<T> u = absolute(x) / limit, small = u <= T(1) ? u : T(1) / u;
    const Vec<T> root = (u <= T(1) ? broadcast(T(1)) : small) / vsqrt(small * small + T(1));
    return root * root * root;
}

template <class T> void activate(Activation kind, T constant, const T* x, T* y, size_t n) {
    using V = Vec<T>;
    const V zero{};
    switch (kind) {
        case Activation::none:
            if (x != y) std::memcpy(y, x, n * sizeof(T));
            break;
        case Activation::relu: each_lane(y, x, n, [&](V v) { return vmax<T>(zero, v); }); break;
        case Activation::leaky_relu: each_lane(y, x, n, [&](V v) { return V(v > zero ? v : v * constant); }); break;
        case Activation::sigmoid: each_lane(y, x, n, [&](V v) { return vsigmoid(v); }); break;
        case Activation::tanh: each_lane(y, x, n, [&](V v) { return vtanh(v); }); break;
        case Activation::gelu: each_lane(y, x, n, [&](V v) { return v * normal_distribution<T>(v); }); break;
        case Activation::silu: each_lane(y, x, n, [&](V v) { return v * vsigmoid(v); }); break;
        case Activation::mish: each_lane(y, x, n, [&](V v) { return Mish<T>(v).of(v); }); break;
        case Activation::selu:
            each_lane(y, x, n,
                      [&](V v) { return V(v > zero ? v : vexpm1(vmin<T>(v, zero)) * T(SELU_ALPHA)) * T(SELU_SCALE); });
            break;
        case Activation::cos: each_lane(y, x, n, [&](V v) { return vcos(v); }); break;
        case Activation::smooth_clip: each_lane(y, x, n, [&](V v) { return smooth_clip<T>(v, constant); }); break;
    }
}

template <class T> void activate_back(Activation kind, T constant, const T* x, const T* y, const T* d, T* g, size_t n) {
    using V = Vec<T>;
    const V zero{};
    const V one = zero + T(1);
    switch (kind) {
        case Activation::none:
            if (d != g) std::memcpy(g, d, n * sizeof(T));
            break;
        case Activation::relu: each_lane(g, y, d, n, [&](V v, V e) { return V(v > zero ? e : zero); }); break;
        case Activation::leaky_relu:
            each_lane(g, x, d, n, [&](V v, V e) { return V(v > zero ? e : e * constant); });
            break;
        case Activation::sigmoid: each_lane(g, y, d, n, [&](V v, V e) { return e * v * (one - v); }); break;
        case Activation::tanh: each_lane(g, y, d, n, [&](V v, V e) { return e * (one - v * v); }); break;
        case Activation::gelu:
            each_lane(g, x, d, n, [&](V v, V e) {
                const V clamped = vmin<T>(vmax<T>(v, zero - T(40)), zero + T(40));
                return e * (normal_distribution<T>(v) + v * vexp(clamped * clamped * T(-0.5)) * T(INVERSE_SQRT_2PI));
            });
            break;
        case Activation::silu:
            each_lane(g, x, d, n, [&](V v, V e) { return e * vsigmoid(v) * (one + v * vsigmoid(-v)); });
            break;
        case Activation::mish: each_lane(g, x, d, n, [&](V v, V e) { return e * Mish<T>(v).slope(v); }); break;
        case Activation::selu:
            each_lane(g, x, d, n, [&](V v, V e) {
                return e * V(v > zero ? one : vexp(vmin<T>(v, zero)) * T(SELU_ALPHA)) * T(SELU_SCALE);
            });
            break;
        case Activation::cos: each_lane(g, x, d, n, [&](V v, V e) { return -e * vsin(v); }); break;
        case Activation::smooth_clip:
            each_lane(g, x, d, n, [&](V v, V e) { return e * smooth_clip_slope<T>(v, constant); });
            break;
    }
}

template void activate<float>(Activation, float, const float*, float*, size_t);
template void activate_back<float>(Activation, float, const float*, const float*, const float*, float*, size_t);
template void activate<double>(Activation, double, const double*, double*, size_t);
template void activate_back<double>(Activation, double, const double*, const double*, const double*, double*, size_t);

}  // namespace pysmorch
