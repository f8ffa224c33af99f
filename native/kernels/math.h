// exp, expm1, log, sigmoid, tanh, erf, sin and cos on vectors of float. The polynomials are Chebyshev fits of our own
// to the functions named beside them. Largest errors over a dense sample of all floats, in units of the last position:
// exp 1.0, log 0.9, sigmoid 2.4, tanh 2.5, erf 2.5; of sin and cos in
// units of 2^-24: 1.6. Doubles go through the C library one by one: the float64
// program is there to be exact, not to be fast.
#pragma once
#include <cmath>
#include <limits>

#include "kernels/simd.h"

namespace pysmorch {

using VF = Vec<float>;
using VI = Mask<float>;

inline VF as_float(VI v) {
    VF f;
    std::memcpy(&f, &v, sizeof f);
    return f;
}
inline VI as_int(VF v) {
    VI i;
    std::memcpy(&i, &v, sizeof i);
    return i;
}
inline VF choose(VI mask, VF a, VF b) { return mask ? a : b; }
inline VF absolute(VF x) { return as_float(as_int(x) & 0x7fffffff); }
inline VF with_sign_of(VF magnitude, VF x) { return as_float(as_int(magnitude) | (as_int(x) & int32_t(0x80000000))); }

constexpr float LOG2_E = 1.44269504088896341f;
// ln 2 in two parts: the first has few enough bits that n times it is exact.
constexpr float LN2_HIGH = 0.693359375f;
constexpr float LN2_LOW = -2.12194440e-4f;
// Adding and taking away 1.5 * 2^23 rounds a float to a whole number.
constexpr float ROUNDER = 12582912.0f;

// 2^n for whole n in -126..127.
inline VF power_of_two(VF n) { return as_float((__builtin_convertvector(n, VI) + 127) << 23); }

// exp(r) - 1 for |r| <= ln 2 / 2.
inline VF expm1_near_zero(VF r) {
    VF q = r * 0.0001989198131397769f + 0.0013934541928270264f;
    q = q * r + 0.008333310024225292f;
    q = q * r + 0.04166645680967788f;
    q = q * r + 0.16666666682534356f;
    q = q * r + 0.5000000014286223f;
    return q * (r * r) + r;
}

inline VF vexp(VF x) {
    const VF clamped = vmin<float>(vmax<float>(x, broadcast(-104.0f)), broadcast(88.8f));
    const VF n = (clamped * LOG2_E + ROUNDER) - ROUNDER;
    const VF r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    // In two factors, so that results below the normal range are reached.
    const VF half = (n * 0.5f + ROUNDER) - ROUNDER;
    VF y = (expm1_near_zero(r) + 1.0f) * power_of_two(half) * power_of_two(n - half);
    y = choose(x > 88.72283905f, broadcast(std::numeric_limits<float>::infinity()), y);
    return choose(x == x, y, x);
}

inline VF vexpm1(VF x) {
    const VF clamped = vmin<float>(vmax<float>(x, broadcast(-30.0f)), broadcast(88.8f));
    const VF n = (clamped * LOG2_E + ROUNDER) - ROUNDER;
    const VF r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    const VF half = (n * 0.5f + ROUNDER) - ROUNDER;
    const VF a = power_of_two(half), b = power_of_two(n - half);
    const VF near = expm1_near_zero(r);
    VF y = near * a * b + (a * b - 1.0f);
    y = choose(n > 127.0f, (near + 1.0f) * a * b, y);
    y = choose(n == 0.0f, near, y);
    y = choose(x > 88.72283905f, broadcast(std::numeric_limits<float>::infinity()), y);
    return choose(x == x, y, x);
}

// log(1 + f) for sqrt(1/2) <= 1 + f <= sqrt(2).
inline VF log1p_near_zero(VF f) {
    VF q = f * 0.06971611471451178f - 0.11479733846637635f;
    q = q * f + 0.1168541992348674f;
    q = q * f - 0.12425687331451106f;
    q = q * f + 0.1424905764569748f;
    q = q * f - 0.16667802319501254f;
    q = q * f + 0.200007157488921f;
    q = q * f - 0.24999996957950882f;
    q = q * f + 0.33333331180030046f;
    return f - f * f * (0.5f - f * q);
}

// The natural logarithm for positive normal x.
inline VF vlog(VF x) {
    const VI bits = as_int(x) - as_int(broadcast(0.70710678f));
    const VI exponent = bits >> 23;
    const VF f = as_float(as_int(x) - (exponent << 23)) - 1.0f;
    const VF n = __builtin_convertvector(exponent, VF);
    return n * LN2_HIGH + (log1p_near_zero(f) + n * LN2_LOW);
}

inline VF vsigmoid(VF x) {
    const VF e = vexp(-absolute(x));
    return choose(x >= 0.0f, broadcast(1.0f), e) / (1.0f + e);
}

inline VF vtanh(VF x) {
    const VF t = vexpm1(-2.0f * absolute(x));
    return with_sign_of(-t / (t + 2.0f), x);
}

inline VF verf(VF x) {
    const VF t = vmin<float>(absolute(x), broadcast(4.0f));
    const VF s = t * t;
    VF near = s * -9.667044571486996e-06f + 0.00011265959025606609f;
    near = near * s - 0.0008484080405535107f;
    near = near * s + 0.005221031807858023f;
    near = near * s - 0.026865430727670243f;
    near = near * s + 0.11283782495236845f;
    near = near * s - 0.3761263846802871f;
    near = near * s + 1.1283791670615435f;
    VF far = t * -1.6371514145936436e-06f + 4.605804268918978e-05f;  // -log(1 - erf(t)) on 1..4
    far = far * t - 0.0005968056256607798f;
    far = far * t + 0.004759596293266265f;
    far = far * t - 0.026421136005663898f;
    far = far * t + 0.11008008294882024f;
    far = far * t + 0.631826051559163f;
    far = far * t + 1.130233434841994f;
    far = far * t - 0.00032013804967769883f;
    const VF y = choose(t < 1.0f, near * t, 1.0f - vexp(-far));
    return choose(x == x, with_sign_of(y, x), x);
}

// pi / 2 in three parts: n times the first two is exact for |n| < 2^13.
constexpr float HALF_PI_HIGH = 1.5703125f, HALF_PI_MIDDLE = 4.83751296997e-4f, HALF_PI_LOW = 7.54978995489e-8f;
constexpr float TWO_OVER_PI = 0.63661977236758134308f;
constexpr float LARGEST_ANGLE = 8192.0f;  // beyond it, and for infinity, the C library is asked

// sin(x), or cos(x), which is sin(x + pi / 2): x = n pi / 2 + r, and n says which of +-sin(r), +-cos(r) it is.
inline VF sine_of(VF x, int quarters) {
    const VF shifted = x * TWO_OVER_PI + ROUNDER, n = shifted - ROUNDER;
    const VI quarter = as_int(shifted) + quarters;
    const VF r = ((x - n * HALF_PI_HIGH) - n * HALF_PI_MIDDLE) - n * HALF_PI_LOW;
    const VF s = r * r;
    VF sine = s * -0.00019582892053552874f + 0.008332725000080948f;
    sine = sine * s - 0.16666664542406617f;
    sine = sine * s * r + r;
    VF cosine = s * 2.4542922330293974e-05f - 0.0013888279652924391f;
    cosine = cosine * s + 0.04166666453885842f;
    cosine = cosine * (s * s) + (1.0f - 0.5f * s);
    VF y = choose((quarter & 1) == 1, cosine, sine);
    y = as_float(as_int(y) ^ ((quarter & 2) << 30));
    const VI large = absolute(x) > LARGEST_ANGLE;
    for (int i = 0; i < LANES<float>; ++i)
        if (large[i]) y[i] = quarters ? std::cos(x[i]) : std::sin(x[i]);
    return y;
}
inline VF vsin(VF x) { return sine_of(x, 0); }
inline VF vcos(VF x) { return sine_of(x, 1); }

inline VF vsqrt(VF x) {
#if PYSMORCH_VECTOR_BYTES == 64
    return _mm512_maskz_sqrt_ps(__mmask16(-1), x);
#else
    for (int i = 0; i < LANES<float>; ++i) x[i] = std::sqrt(x[i]);
    return x;
#endif
}

// The same names for vectors of double, element by element.
using VD = Vec<double>;
template <class F> inline VD each(VD x, F f) {
    VD y;
    for (int i = 0; i < LANES<double>; ++i) y[i] = f(x[i]);
    return y;
}
inline VD vexp(VD x) {
    return each(x, [](double v) { return std::exp(v); });
}
inline VD vexpm1(VD x) {
    return each(x, [](double v) { return std::expm1(v); });
}
inline VD vtanh(VD x) {
    return each(x, [](double v) { return std::tanh(v); });
}
inline VD verf(VD x) {
    return each(x, [](double v) { return std::erf(v); });
}
inline VD vsin(VD x) {
    return each(x, [](double v) { return std::sin(v); });
}
inline VD vcos(VD x) {
    return each(x, [](double v) { return std::cos(v); });
}
inline VD vsigmoid(VD x) {
    return each(x, [](double v) {
        const double e = std::exp(-std::fabs(v));
        return (v >= 0 ? 1.0 : e) / (1.0 + e);
    });
}
inline VD vsqrt(VD x) {
    return each(x, [](double v) { return std::sqrt(v); });
}
inline VD absolute(VD x) {
    return each(x, [](double v) { return std::fabs(v); });
}

}  // namespace pysmorch
