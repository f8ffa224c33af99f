// Filters of 3 x 3 with fewer products: 36 for 16 places of the output instead of 144, or 16 for four instead of 36.
//
// With d a patch of the input and g a filter, the places of the output are A' [(G g G') * (B' d B)] A, where * takes entries one by one,
// so that the sum over channels is 36 or 16 products of matrices. In float32 the larger one is off by about 2e-6 of the typical size of
// a result, four times as much as the plain sum. In bfloat16 it would be off by 3 per cent; the smaller one is off by 0.4 per cent, as
// the plain sum is.
// Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015, F(4 x 4, 3 x 3) and F(2 x 2, 3 x 3).
#pragma once
#include "geometry.h"

namespace pysmorch::winograd {

// Every transform is one along the columns and then one along the rows. These are the ones along a line, whose entries are `from` apart
// where they come from and `step` where they go.
struct FourByFour {
    static constexpr size_t TILE = 4, PATCH = 6;

    // B' d
    template <class V> static inline __attribute__((always_inline)) void patch_line(const V* d, size_t from, V* out, size_t step) {
        const V d0 = d[0], d1 = d[from], d2 = d[2 * from], d3 = d[3 * from], d4 = d[4 * from], d5 = d[5 * from];
        const V a = d4 - 4 * d2, b = d3 - 4 * d1, c = d4 - d2, e = d3 - d1;
        out[0] = 4 * d0 + (d4 - 5 * d2);
        out[step] = a + b;
        out[2 * step] = a - b;
        out[3 * step] = c + 2 * e;
        out[4 * step] = c - 2 * e;
        out[5 * step] = 4 * d1 + (d5 - 5 * d3);
    }
    // A' m
    template <class V> static inline __attribute__((always_inline)) void places_line(const V* m, size_t from, V* out, size_t step) {
        const V sum = m[from] + m[2 * from], difference = m[from] - m[2 * from];
        const V sum2 = m[3 * from] + m[4 * from], difference2 = m[3 * from] - m[4 * from];
        out[0] = m[0] + sum + sum2;
        out[step] = difference + 2 * difference2;
        out[2 * step] = sum + 4 * sum2;
        out[3 * step] = difference + 8 * difference2 + m[5 * from];
    }
    // A y
    template <class V> static inline __attribute__((always_inline)) void points_line(const V* y, size_t from, V* out, size_t step) {
        const V even = y[0] + y[2 * from], odd = y[from] + y[3 * from];
        const V even2 = y[0] + 4 * y[2 * from], odd2 = 2 * y[from] + 8 * y[3 * from];
        out[0] = y[0];
        out[step] = even + odd;
        out[2 * step] = even - odd;
        out[3 * step] = even2 + odd2;
        out[4 * step] = even2 - odd2;
        out[5 * step] = y[3 * from];
    }
    // G g
    template <class V> static inline __attribute__((always_inline)) void filter_line(const V* g, size_t from, V* out, size_t step) {
        using N = std::remove_cvref_t<decltype(g[0][0])>;
        const V even = (g[0] + g[2 * from]) * N(-1.0 / 6), odd = g[from] * N(-1.0 / 6);
        const V even2 = g[0] * N(1.0 / 24) + g[2 * from] * N(1.0 / 6), odd2 = g[from] * N(1.0 / 12);
        out[0] = g[0] * N(0.25);
        out[step] = even + odd;
        out[2 * step] = even - odd;
        out[3 * step] = even2 + odd2;
        out[4 * step] = even2 - odd2;
        out[5 * step] = g[2 * from];
    }
    // G' u
    template <class V> static inline __attribute__((always_inline)) void gradient_line(const V* u, size_t from, V* out, size_t step) {
        using N = std::remove_cvref_t<decltype(u[0][0])>;
        const V sum = (u[from] + u[2 * from]) * N(1.0 / 6), sum2 = u[3 * from] + u[4 * from];
        out[0] = u[0] * N(0.25) - sum + sum2 * N(1.0 / 24);
        out[step] = (u[2 * from] - u[from]) * N(1.0 / 6) + (u[3 * from] - u[4 * from]) * N(1.0 / 12);
        out[2 * step] = sum2 * N(1.0 / 6) - sum + u[5 * from];
    }
};

struct TwoByTwo {
    static constexpr size_t TILE = 2, PATCH = 4;

    template <class V> static inline __attribute__((always_inline)) void patch_line(const V* d, size_t from, V* out, size_t step) {
        const V d0 = d[0], d1 = d[from], d2 = d[2 * from], d3 = d[3 * from];
        out[0] = d0 - d2;
        out[step] = d1 + d2;
        out[2 * step] = d2 - d1;
        out[3 * step] = d1 - d3;
    }
    template <class V> static inline __attribute__((always_inline)) void places_line(const V* m, size_t from, V* out, size_t step) {
        out[0] = m[0] + m[from] + m[2 * from];
        out[step] = m[from] - m[2 * from] - m[3 * from];
    }
    template <class V> static inline __attribute__((always_inline)) void points_line(const V* y, size_t from, V* out, size_t step) {
        out[0] = y[0];
        out[step] = y[0] + y[from];
        out[2 * step] = y[0] - y[from];
        out[3 * step] = -y[from];
    }
    template <class V> static inline __attribute__((always_inline)) void filter_line(const V* g, size_t from, V* out, size_t step) {
        const V even = (g[0] + g[2 * from]) * 0.5f, odd = g[from] * 0.5f;
        out[0] = g[0];
        out[step] = even + odd;
        out[2 * step] = even - odd;
        out[3 * step] = g[2 * from];
    }
    template <class V> static inline __attribute__((always_inline)) void gradient_line(const V* u, size_t from, V* out, size_t step) {
        const V sum = (u[from] + u[2 * from]) * 0.5f;
        out[0] = u[0] + sum;
        out[step] = (u[from] - u[2 * from]) * 0.5f;
        out[2 * step] = sum + u[3 * from];
    }
};

// Where the entries of a square are: from a row to the next, and within a row.
struct Steps {
    size_t row, column;
};

// From FROM x FROM entries to TO x TO, with a function for a line: entries go from memory to memory by way of half of them.
template <size_t FROM, size_t TO, class V, class Entry, class Line>
inline __attribute__((always_inline)) void both_ways(Entry entry, V* out, Steps to, Line line) {
    V half[TO * FROM];
    for (size_t j = 0; j < FROM; ++j) {
        V column[FROM];
        for (size_t i = 0; i < FROM; ++i) column[i] = entry(i, j);
        line(column, size_t(1), half + j, FROM);
    }
    for (size_t i = 0; i < TO; ++i) line(half + i * FROM, size_t(1), out + i * to.row, to.column);
}
template <class V> inline auto entries_at(const V* in, Steps at) {
    return [=](size_t row, size_t column) { return in[row * at.row + column * at.column]; };
}

// Entries come from a function of row and column; those of a filter are three by three.
template <class F, class V, class Entry> inline __attribute__((always_inline)) void to_patch(Entry d, V* v, Steps to) {
    both_ways<F::PATCH, F::PATCH>(d, v, to, [](const V* a, size_t from, V* b, size_t step) { F::patch_line(a, from, b, step); });
}
template <class F, class V, class Entry> inline __attribute__((always_inline)) void to_places(Entry m, V* y, Steps to) {
    both_ways<F::PATCH, F::TILE>(m, y, to, [](const V* a, size_t from, V* b, size_t step) { F::places_line(a, from, b, step); });
}
template <class F, class V, class Entry> inline __attribute__((always_inline)) void to_points(Entry y, V* m, Steps to) {
    both_ways<F::TILE, F::PATCH>(y, m, to, [](const V* a, size_t from, V* b, size_t step) { F::points_line(a, from, b, step); });
}
template <class F, class V, class Entry> inline __attribute__((always_inline)) void to_filter(Entry g, V* u, Steps to) {
    both_ways<3, F::PATCH>(g, u, to, [](const V* a, size_t from, V* b, size_t step) { F::filter_line(a, from, b, step); });
}
template <class F, class V, class Entry> inline __attribute__((always_inline)) void to_gradient(Entry u, V* g, Steps to) {
    both_ways<F::PATCH, 3>(u, g, to, [](const V* a, size_t from, V* b, size_t step) { F::gradient_line(a, from, b, step); });
}

}  // namespace pysmorch::winograd
