// The micro-kernels of matrix products, which micro_kernels_*.cpp instantiate.
#pragma once
#include <utility>

#include "kernels/product.h"

namespace pysmorch {

// Entries of A and B are numbers, or pairs of bfloat16 whose products are both added to a sum.
template <class S> struct Entries;
template <class T> struct Numbers {
    static Vec<T> load(const T* p) { return pysmorch::load(p); }
    static Vec<T> broadcast(T x) { return pysmorch::broadcast(x); }
    static Vec<T> fma(Vec<T> sum, Vec<T> x, Vec<T> y) { return sum + x * y; }
};
template <> struct Entries<float> : Numbers<float> {};
template <> struct Entries<double> : Numbers<double> {};
#ifdef PYSMORCH_BF16
template <> struct Entries<Pair> {
    static __m512i load(const Pair* p) { return _mm512_loadu_si512(p); }
    static __m512i broadcast(Pair x) { return _mm512_set1_epi32(int(x)); }
    static Vec<float> fma(Vec<float> sum, __m512i x, __m512i y) {
        return _mm512_dpbf16_ps(sum, __m512bh(x), __m512bh(y));
    }
};
#endif

// c (ROWS, NV vectors) = or += sum over k of a(i, k) b(k, j).
template <class T, class S, int ROWS, int NV, Form FORM>
static void tile(const S* a, size_t stride, const S* b, size_t b_stride, const ReductionLoops& loops, T* c,
                 size_t c_stride, bool add) {
    using E = Entries<S>;
    const size_t row = FORM == Form::columns ? 1 : FORM == Form::rows ? stride : K_PER_PANEL<T, S>;
    const size_t step = FORM == Form::columns ? stride : 1;
    const size_t parts = loops.products * loops.outer;
    const size_t at_a_time = loops.prefetch ? (loops.prefetch->rows + parts - 1) / parts : 0;
    for (size_t p = 0; p < loops.products; ++p, a += loops.a_product, b += loops.b_product, c += loops.c_product) {
        Vec<T> sums[ROWS][NV];
        for (int i = 0; i < ROWS; ++i)
            for (int j = 0; j < NV; ++j) sums[i][j] = add ? load(c + i * c_stride + j * LANES<T>) : Vec<T>{};
        for (size_t o = 0; o < loops.outer; ++o) {
            if (loops.prefetch) loops.prefetch->issue(p * loops.outer + o, at_a_time);
            for (size_t n = 0; n < loops.inner; ++n) {
                const S* x = a + ptrdiff_t(o) * loops.a_outer + ptrdiff_t(n) * loops.a_inner;
                const S* y = b + ptrdiff_t(o) * loops.b_outer + ptrdiff_t(n) * loops.b_inner;
                const size_t depth = o + 1 == loops.outer && n + 1 == loops.inner ? loops.last : loops.depth;
                for (size_t k = 0; k < depth; ++k) {
                    decltype(E::load(y)) columns[NV];
                    for (int j = 0; j < NV; ++j) columns[j] = E::load(y + j * LANES<T>);
                    for (int i = 0; i < ROWS; ++i) {
                        const auto entry = E::broadcast(x[i * row]);
                        for (int j = 0; j < NV; ++j) sums[i][j] = E::fma(sums[i][j], entry, columns[j]);
                    }
                    x += step;
                    y += b_stride;
                }
            }
        }
        for (int i = 0; i < ROWS; ++i)
            for (int j = 0; j < NV; ++j) store(c + i * c_stride + j * LANES<T>, sums[i][j]);
    }
}

template <class T, class S, int NV, Form FORM, int... ROWS>
static Tile<T, S> tile_of(int rows, std::integer_sequence<int, ROWS...>) {
    static constexpr Tile<T, S> tiles[] = {tile<T, S, ROWS + 1, NV, FORM>...};
    return tiles[rows - 1];
}
template <class T, Form FORM, class S> Tile<T, S> tile_of(int rows, bool two) {
    const auto heights = std::make_integer_sequence<int, MR>{};
    return two ? tile_of<T, S, 2, FORM>(rows, heights) : tile_of<T, S, 1, FORM>(rows, heights);
}

}  // namespace pysmorch
