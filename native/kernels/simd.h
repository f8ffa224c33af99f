// Vectors of the width that this module is compiled for. GCC's and Clang's vector extensions carry the
// arithmetic, so that one source serves SSE2, AVX2, AVX-512 and NEON.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifndef PYSMORCH_VECTOR_BYTES
#define PYSMORCH_VECTOR_BYTES 16
#endif

namespace pysmorch {

template <class T> struct VectorOf;
template <> struct VectorOf<float> {
    typedef float type __attribute__((vector_size(PYSMORCH_VECTOR_BYTES)));
    typedef int32_t mask __attribute__((vector_size(PYSMORCH_VECTOR_BYTES)));
    typedef float stored __attribute__((vector_size(PYSMORCH_VECTOR_BYTES), aligned(4), may_alias));
};
template <> struct VectorOf<double> {
    typedef double type __attribute__((vector_size(PYSMORCH_VECTOR_BYTES)));
    typedef int64_t mask __attribute__((vector_size(PYSMORCH_VECTOR_BYTES)));
    typedef double stored __attribute__((vector_size(PYSMORCH_VECTOR_BYTES), aligned(8), may_alias));
};
template <> struct VectorOf<int32_t> {
    typedef int32_t type __attribute__((vector_size(PYSMORCH_VECTOR_BYTES)));
    typedef int32_t stored __attribute__((vector_size(PYSMORCH_VECTOR_BYTES), aligned(4), may_alias));
};
template <class T> using Vec = typename VectorOf<T>::type;
template <class T> using Mask = typename VectorOf<T>::mask;

// Numbers in a vector.
template <class T> constexpr int LANES = PYSMORCH_VECTOR_BYTES / sizeof(T);

// Numbers lie anywhere in memory; only variables of type Vec are aligned like vectors.
template <class T> inline Vec<T> load(const T* p) { return *reinterpret_cast<const typename VectorOf<T>::stored*>(p); }
template <class T> inline void store(T* p, Vec<T> v) { *reinterpret_cast<typename VectorOf<T>::stored*>(p) = v; }
// What is loaded after a vector is stored at such a position.
template <class T> inline Vec<T> as_stored(const T*, Vec<T> v) { return v; }
template <class T> inline Vec<T> broadcast(T x) { return x - Vec<T>{}; }

// The first n lanes, the others zero; nothing after them is touched.
template <class T> inline Vec<T> load_part(const T* p, int n) {
    Vec<T> v{};
    for (int i = 0; i < LANES<T>; ++i)
        if (i < n) v[i] = p[i];
    return v;
}
template <class T> inline void store_part(T* p, Vec<T> v, int n) {
    for (int i = 0; i < LANES<T>; ++i)
        if (i < n) p[i] = v[i];
}
#if PYSMORCH_VECTOR_BYTES == 64
template <> inline Vec<float> load_part<float>(const float* p, int n) {
    return _mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p);
}
template <> inline Vec<double> load_part<double>(const double* p, int n) {
    return _mm512_maskz_loadu_pd(__mmask8((1u << n) - 1), p);
}
template <> inline void store_part<float>(float* p, Vec<float> v, int n) {
    _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), v);
}
template <> inline void store_part<double>(double* p, Vec<double> v, int n) {
    _mm512_mask_storeu_pd(p, __mmask8((1u << n) - 1), v);
}
#endif

// Where a lane of either is not a number, that of b is taken.
template <class T> inline Vec<T> vmax(Vec<T> a, Vec<T> b) { return a > b ? a : b; }
template <class T> inline Vec<T> vmin(Vec<T> a, Vec<T> b) { return a < b ? a : b; }

// The lanes that are not 0, as bits.
inline uint32_t lanes_not_zero(Vec<float> v) {
#if PYSMORCH_VECTOR_BYTES == 64
    return _mm512_cmp_ps_mask(v, __m512{}, _CMP_NEQ_UQ);
#elif PYSMORCH_VECTOR_BYTES == 32
    return uint32_t(_mm256_movemask_ps(_mm256_cmp_ps(v, __m256{}, _CMP_NEQ_UQ)));
#else
    uint32_t lanes = 0;
    for (int i = 0; i < LANES<float>; ++i) lanes |= uint32_t(v[i] != 0) << i;
    return lanes;
#endif
}

template <class T> inline Vec<T> load_up_to(const T* p, size_t n) {
    return n < size_t(LANES<T>) ? load_part(p, int(n)) : load(p);
}

inline size_t round_up(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// Sums in double over lanes of T, for means over many numbers.
template <class T> struct DoubleSum {
    typedef double Wide __attribute__((vector_size(LANES<T> * 8)));
    Wide sum{};
    void add(Vec<T> v) { sum += __builtin_convertvector(v, Wide); }
    void add_product(Vec<T> v, Vec<T> w) { sum += __builtin_convertvector(v, Wide) * __builtin_convertvector(w, Wide); }
    // The sum over the first n lanes.
    double over(int n) const {
        double total = 0;
        for (int i = 0; i < n; ++i) total += lane(i);
        return total;
    }
    double lane(int i) const {
        double one;
        std::memcpy(&one, reinterpret_cast<const char*>(&sum) + i * sizeof one, sizeof one);
        return one;
    }
    Vec<T> mean(double count) const { return __builtin_convertvector(sum / count, Vec<T>); }
};

// Columns of a square of vectors become rows: log2(LANES) rounds, in each of which vectors i and i + STEP trade halves.
template <class T, int STEP, size_t... L>
static inline __attribute__((always_inline)) void trade(Vec<T>& a, Vec<T>& b, std::index_sequence<L...>) {
#if defined(__has_builtin) && __has_builtin(__builtin_shufflevector)
    constexpr int N = LANES<T>;
    const Vec<T> low = __builtin_shufflevector(a, b, int(L & STEP ? L - STEP + N : L)...);
    const Vec<T> high = __builtin_shufflevector(a, b, int(L & STEP ? L + N : L + STEP)...);
#else
    const Vec<T> low = {(L & STEP ? b[L & STEP ? L - STEP : L] : a[L])...};
    const Vec<T> high = {(L & STEP ? b[L] : a[L & STEP ? L : L + STEP])...};
#endif
    a = low;
    b = high;
}
template <class T, int STEP = 1> static inline __attribute__((always_inline)) void transpose(Vec<T> (&v)[LANES<T>]) {
    for (int i = 0; i < LANES<T>; ++i)
        if (!(i & STEP)) trade<T, STEP>(v[i], v[i + STEP], std::make_index_sequence<LANES<T>>{});
    if constexpr (2 * STEP < LANES<T>) transpose<T, 2 * STEP>(v);
}

}  // namespace pysmorch
