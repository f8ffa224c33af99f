// Vectors of the width that this module is compiled for. GCC's and Clang's vector extensions carry the
// arithmetic, so that one source serves SSE2, AVX2, AVX-512 and NEON.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#ifndef PYSMORCH_VECTOR_BYTES
#define PYSMORCH_VECTOR_BYTES 16
#endif

namespace pysmorch {

template <class T> struct VectorOf;
template <> struct VectorOf<float> {
    typedef float type __attribute__((vector_size(PYSMORCH_VECTOR_BYTES), aligned(4), may_alias));
    typedef int32_t mask __attribute__((vector_size(PYSMORCH_VECTOR_BYTES), aligned(4), may_alias));
};
template <> struct VectorOf<double> {
    typedef double type __attribute__((vector_size(PYSMORCH_VECTOR_BYTES), aligned(8), may_alias));
    typedef int64_t mask __attribute__((vector_size(PYSMORCH_VECTOR_BYTES), aligned(8), may_alias));
};
template <class T> using Vec = typename VectorOf<T>::type;
template <class T> using Mask = typename VectorOf<T>::mask;

// Numbers in a vector.
template <class T> constexpr int LANES = PYSMORCH_VECTOR_BYTES / sizeof(T);

template <class T> inline Vec<T> load(const T* p) { return *reinterpret_cast<const Vec<T>*>(p); }
template <class T> inline void store(T* p, Vec<T> v) { *reinterpret_cast<Vec<T>*>(p) = v; }
template <class T> inline Vec<T> broadcast(T x) { return x - Vec<T>{}; }

// The first n lanes, the others zero.
template <class T> inline Vec<T> load_part(const T* p, int n) {
    Vec<T> v{};
    std::memcpy(&v, p, n * sizeof(T));
    return v;
}
template <class T> inline void store_part(T* p, Vec<T> v, int n) { std::memcpy(p, &v, n * sizeof(T)); }

template <class T> inline Vec<T> vmax(Vec<T> a, Vec<T> b) { return a > b ? a : b; }
template <class T> inline Vec<T> vmin(Vec<T> a, Vec<T> b) { return a < b ? a : b; }

inline size_t round_up(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

}  // namespace pysmorch
