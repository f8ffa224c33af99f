// Filters of 3 x 3 with fewer products: 36 for 16 positions of the output instead of 144, or 24 for eight instead
// of 72.
//
// With d a patch of the input and g a filter, the positions of the output are A' [(G g G') * (B' d B)] A, where * takes
// entries one by one, so that the sum over channels is a product of matrices for each of the 36 or 24. The matrices on
// the left and on the right are for lines of four or of two positions. They come from products of polynomials, taken at
// some points, and multiply what rounding does. The points for four positions are those that do the least harm: in
// float32 tiles of 4 x 4 positions are off by 5e-7 of the typical size of a result, twice as much as the plain sum;
// with the usual points, 1 and 2, it is six times as much. In bfloat16 tiles of 4 x 4 positions are off by 1.1 per
// cent, 4 x 2 by 0.7, 2 x 2 by 0.4, and the plain sum by 0.25 (root mean squares, normal numbers, 16 channels).
// Sources: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015; Barabasz, Anderson, Soodhalter
// and Gregg, "Error analysis and improving the accuracy of Winograd convolution for deep neural networks", 2020, for
// the points.
#pragma once
#include <cstddef>
#include <type_traits>
#include <utility>

namespace pysmorch::winograd {

template <class V> using Number = std::remove_cvref_t<decltype(std::declval<V>()[0])>;

// Lines of four positions. The polynomials are taken at 0, at +A, -A, +B and -B, and at infinity.
struct Four {
    static constexpr size_t TILE = 4, PATCH = 6;
    static constexpr double A = 0.625, B = 1.5, A2 = A * A, B2 = B * B;
    static constexpr double AT_0 = 1 / (A2 * B2), AT_A = 1 / (2 * A2 * (A2 - B2)), AT_B = 1 / (2 * B2 * (B2 - A2));

    // Every transform is one along the columns and then one along the rows. These are the ones along a line, which is
    // written with gaps. B' d
    template <class V> static inline __attribute__((always_inline)) void patch_line(const V* d, V* out, size_t step) {
        using N = Number<V>;
        const V d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4], d5 = d[5];
        const V a = d4 - N(B2) * d2, b = d3 - N(B2) * d1, c = d4 - N(A2) * d2, e = d3 - N(A2) * d1;
        out[0] = N(A2 * B2) * d0 + (d4 - N(A2 + B2) * d2);
        out[step] = a + N(A) * b;
        out[2 * step] = a - N(A) * b;
        out[3 * step] = c + N(B) * e;
        out[4 * step] = c - N(B) * e;
        out[5 * step] = N(A2 * B2) * d1 + (d5 - N(A2 + B2) * d3);
    }
    // A' m
    template <class V>
    static inline __attribute__((always_inline)) void positions_line(const V* m, V* out, size_t step) {
        using N = Number<V>;
        const V sum = m[1] + m[2], difference = m[1] - m[2];
        const V sum2 = m[3] + m[4], difference2 = m[3] - m[4];
        out[0] = m[0] + sum + sum2;
        out[step] = N(A) * difference + N(B) * difference2;
        out[2 * step] = N(A2) * sum + N(B2) * sum2;
        out[3 * step] = N(A * A2) * difference + (N(B * B2) * difference2 + m[5]);
    }
    // A y
    template <class V> static inline __attribute__((always_inline)) void points_line(const V* y, V* out, size_t step) {
        using N = Number<V>;
        const V even = y[0] + N(A2) * y[2], odd = N(A) * y[1] + N(A * A2) * y[3];
        const V even2 = y[0] + N(B2) * y[2], odd2 = N(B) * y[1] + N(B * B2) * y[3];
        out[0] = y[0];
        out[step] = even + odd;
        out[2 * step] = even - odd;
        out[3 * step] = even2 + odd2;
        out[4 * step] = even2 - odd2;
        out[5 * step] = y[3];
    }
    // G g
    template <class V> static inline __attribute__((always_inline)) void filter_line(const V* g, V* out, size_t step) {
        using N = Number<V>;
        const V even = g[0] * N(AT_A) + g[2] * N(A2 * AT_A), odd = g[1] * N(A * AT_A);
        const V even2 = g[0] * N(AT_B) + g[2] * N(B2 * AT_B), odd2 = g[1] * N(B * AT_B);
        out[0] = g[0] * N(AT_0);
        out[step] = even + odd;
        out[2 * step] = even - odd;
        out[3 * step] = even2 + odd2;
        out[4 * step] = even2 - odd2;
        out[5 * step] = g[2];
    }
    // G' u
    template <class V>
    static inline __attribute__((always_inline)) void gradient_line(const V* u, V* out, size_t step) {
        using N = Number<V>;
        const V sum = u[1] + u[2], sum2 = u[3] + u[4];
        out[0] = u[0] * N(AT_0) + sum * N(AT_A) + sum2 * N(AT_B);
        out[step] = (u[1] - u[2]) * N(A * AT_A) + (u[3] - u[4]) * N(B * AT_B);
        out[2 * step] = sum * N(A2 * AT_A) + sum2 * N(B2 * AT_B) + u[5];
    }
};

// Lines of two positions; at 0, 1, -1 and infinity.
struct Two {
    static constexpr size_t TILE = 2, PATCH = 4;

    template <class V> static inline __attribute__((always_inline)) void patch_line(const V* d, V* out, size_t step) {
        const V d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
        out[0] = d0 - d2;
        out[step] = d1 + d2;
        out[2 * step] = d2 - d1;
        out[3 * step] = d1 - d3;
    }
    template <class V>
    static inline __attribute__((always_inline)) void positions_line(const V* m, V* out, size_t step) {
        out[0] = m[0] + m[1] + m[2];
        out[step] = m[1] - m[2] - m[3];
    }
    template <class V> static inline __attribute__((always_inline)) void points_line(const V* y, V* out, size_t step) {
        out[0] = y[0];
        out[step] = y[0] + y[1];
        out[2 * step] = y[0] - y[1];
        out[3 * step] = -y[1];
    }
    template <class V> static inline __attribute__((always_inline)) void filter_line(const V* g, V* out, size_t step) {
        using N = Number<V>;
        const V even = (g[0] + g[2]) * N(0.5), odd = g[1] * N(0.5);
        out[0] = g[0];
        out[step] = even + odd;
        out[2 * step] = even - odd;
        out[3 * step] = g[2];
    }
    template <class V>
    static inline __attribute__((always_inline)) void gradient_line(const V* u, V* out, size_t step) {
        using N = Number<V>;
        const V sum = (u[1] + u[2]) * N(0.5);
        out[0] = u[0] + sum;
        out[step] = (u[1] - u[2]) * N(0.5);
        out[2 * step] = sum + u[3];
    }
};

// What the columns and what the rows of a tile are.
template <class DOWN, class ACROSS> struct Tiling {
    using Down = DOWN;
    using Across = ACROSS;
    static constexpr size_t ROWS = DOWN::PATCH, COLUMNS = ACROSS::PATCH, POINTS = ROWS * COLUMNS;  // of a patch
};

enum class Transform { patch, positions, points, filter, gradient };

// Entries of a line before and after a transform.
template <class LINE> constexpr size_t entries_before(Transform t) {
    return t == Transform::points ? LINE::TILE : t == Transform::filter ? 3 : LINE::PATCH;
}
template <class LINE> constexpr size_t entries_behind(Transform t) {
    return t == Transform::positions ? LINE::TILE : t == Transform::gradient ? 3 : LINE::PATCH;
}
template <class LINE, Transform T, class V>
inline __attribute__((always_inline)) void along(const V* in, V* out, size_t step) {
    if constexpr (T == Transform::patch) LINE::patch_line(in, out, step);
    else if constexpr (T == Transform::positions) LINE::positions_line(in, out, step);
    else if constexpr (T == Transform::points) LINE::points_line(in, out, step);
    else if constexpr (T == Transform::filter) LINE::filter_line(in, out, step);
    else LINE::gradient_line(in, out, step);
}
// Along the columns, which come from `get(column, entries)`.
template <class F, Transform T, class V, class Get>
inline __attribute__((always_inline)) void along_columns(Get get, V* half) {
    constexpr size_t COLUMNS = entries_before<typename F::Across>(T);
    for (size_t j = 0; j < COLUMNS; ++j) {
        V column[entries_before<typename F::Down>(T)];
        get(j, column);
        along<typename F::Down, T>(column, half + j, COLUMNS);
    }
}
// A transform: entries go one after the other to `put(row, column, entry)`.
template <class F, Transform T, class V, class Get, class Put>
inline __attribute__((always_inline)) void transform(Get get, Put put) {
    constexpr size_t COLUMNS = entries_before<typename F::Across>(T), TO_ROWS = entries_behind<typename F::Down>(T),
                     TO_COLUMNS = entries_behind<typename F::Across>(T);
    V half[TO_ROWS * COLUMNS];
    along_columns<F, T>(get, half);
    for (size_t i = 0; i < TO_ROWS; ++i) {
        V row[TO_COLUMNS];
        along<typename F::Across, T>(half + i * COLUMNS, row, 1);
        for (size_t j = 0; j < TO_COLUMNS; ++j) put(i, j, row[j]);
    }
}
// Two at once: `put(row, column, entry, other)`.
template <class F, Transform T, class V, class Get, class Other, class Put>
inline __attribute__((always_inline)) void transform_two(Get get, Other get_other, Put put) {
    constexpr size_t COLUMNS = entries_before<typename F::Across>(T), TO_ROWS = entries_behind<typename F::Down>(T),
                     TO_COLUMNS = entries_behind<typename F::Across>(T);
    V half[TO_ROWS * COLUMNS], half_of_other[TO_ROWS * COLUMNS];
    along_columns<F, T>(get, half);
    along_columns<F, T>(get_other, half_of_other);
    for (size_t i = 0; i < TO_ROWS; ++i) {
        V row[TO_COLUMNS], other[TO_COLUMNS];
        along<typename F::Across, T>(half + i * COLUMNS, row, 1);
        along<typename F::Across, T>(half_of_other + i * COLUMNS, other, 1);
        for (size_t j = 0; j < TO_COLUMNS; ++j) put(i, j, row[j], other[j]);
    }
}
template <class V>
constexpr auto zeros = [](size_t, auto& entries) {
    for (V& v : entries) v = V{};
};

}  // namespace pysmorch::winograd
