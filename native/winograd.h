// Filters of 3 x 3 with 16 products for four places of the output, instead of 36.
//
// With d a patch of 4 x 4 places of the input and g a filter, the 2 x 2 places of the output are A' [(G g G') * (B' d B)] A, where * takes
// entries one by one, so that the sum over channels is 16 products of matrices. The coefficients are 1 and 1/2, and hardly cost precision.
// Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015, section 4.1: F(2 x 2, 3 x 3).
#pragma once
#include "geometry.h"

namespace pysmorch::winograd {

constexpr size_t POINTS = 16;   // entries of a patch

// B' d for a column d of four.
template <class V> inline void patch_column(const V& a, const V& b, const V& c, const V& d, V* out, size_t step) {
    out[0] = a - c;
    out[step] = b + c;
    out[2 * step] = c - b;
    out[3 * step] = b - d;
}

// Patches of an image, of which vector `at` of each place is taken; places outside the image are zero.
template <class T> struct Patches {
    const T* x;
    ptrdiff_t height, width;
    size_t place;   // numbers of a place

    // B' d for the patch whose upper left place is (top, left), in four rows of four.
    void columns(ptrdiff_t top, ptrdiff_t left, size_t at, Vec<T> (&half)[POINTS]) const {
        const bool inside = top >= 0 && left >= 0 && top + 4 <= height && left + 4 <= width;
        const T* from = x + (top * width + left) * ptrdiff_t(place) + ptrdiff_t(at);
        for (ptrdiff_t j = 0; j < 4; ++j) {
            Vec<T> d[4];
            for (ptrdiff_t i = 0; i < 4; ++i) {
                const bool here = inside || (top + i >= 0 && top + i < height && left + j >= 0 && left + j < width);
                d[i] = here ? load(from + (i * width + j) * ptrdiff_t(place)) : Vec<T>{};
            }
            patch_column(d[0], d[1], d[2], d[3], half + j, 4);
        }
    }
};
// Row i of (B' d) B.
template <class V> inline void patch_row(const V (&half)[POINTS], size_t i, V (&row)[4]) {
    patch_column(half[4 * i], half[4 * i + 1], half[4 * i + 2], half[4 * i + 3], row, 1);
}

// A' m A: the 2 x 2 places of the output.
template <class V> inline void places_of(const V (&m)[POINTS], V (&y)[4]) {
    V half[8];
    for (size_t j = 0; j < 4; ++j) {
        half[j] = m[j] + m[4 + j] + m[8 + j];
        half[4 + j] = m[4 + j] - m[8 + j] - m[12 + j];
    }
    for (size_t i = 0; i < 2; ++i) {
        y[2 * i] = half[4 * i] + half[4 * i + 1] + half[4 * i + 2];
        y[2 * i + 1] = half[4 * i + 1] - half[4 * i + 2] - half[4 * i + 3];
    }
}

// A y A': what the 2 x 2 places of the output's gradient are to the 16 products.
template <class V> inline void points_of(const V (&y)[4], V (&m)[POINTS]) {
    V half[8];   // A y, in four rows of two
    for (size_t j = 0; j < 2; ++j) {
        half[j] = y[j];
        half[2 + j] = y[j] + y[2 + j];
        half[4 + j] = y[j] - y[2 + j];
        half[6 + j] = -y[2 + j];
    }
    for (size_t i = 0; i < 4; ++i) {
        m[4 * i] = half[2 * i];
        m[4 * i + 1] = half[2 * i] + half[2 * i + 1];
        m[4 * i + 2] = half[2 * i] - half[2 * i + 1];
        m[4 * i + 3] = -half[2 * i + 1];
    }
}

// G g G' of a filter of nine.
template <class V> inline void transform_filter(const V (&g)[9], V (&u)[POINTS]) {
    V half[12];   // G g, in four rows of three
    for (size_t j = 0; j < 3; ++j) {
        const V ends = (g[j] + g[6 + j]) * 0.5f, middle = g[3 + j] * 0.5f;
        half[j] = g[j];
        half[3 + j] = ends + middle;
        half[6 + j] = ends - middle;
        half[9 + j] = g[6 + j];
    }
    for (size_t i = 0; i < 4; ++i) {
        const V ends = (half[3 * i] + half[3 * i + 2]) * 0.5f, middle = half[3 * i + 1] * 0.5f;
        u[4 * i] = half[3 * i];
        u[4 * i + 1] = ends + middle;
        u[4 * i + 2] = ends - middle;
        u[4 * i + 3] = half[3 * i + 2];
    }
}

// G' u G: the gradient for a filter from that for its transform.
template <class V> inline void filter_gradient(const V (&u)[POINTS], V (&g)[9]) {
    V half[12];   // G' u, in three rows of four
    for (size_t j = 0; j < 4; ++j) {
        const V sum = (u[4 + j] + u[8 + j]) * 0.5f;
        half[j] = u[j] + sum;
        half[4 + j] = (u[4 + j] - u[8 + j]) * 0.5f;
        half[8 + j] = sum + u[12 + j];
    }
    for (size_t i = 0; i < 3; ++i) {
        const V sum = (half[4 * i + 1] + half[4 * i + 2]) * 0.5f;
        g[3 * i] = half[4 * i] + sum;
        g[3 * i + 1] = (half[4 * i + 1] - half[4 * i + 2]) * 0.5f;
        g[3 * i + 2] = sum + half[4 * i + 3];
    }
}

// The transform of a filter that is turned by 180 degrees has the same entries in another order.
inline size_t turned(size_t point) {
    constexpr size_t order[4] = {3, 1, 2, 0};
    return order[point / 4] * 4 + order[point % 4];
}

}  // namespace pysmorch::winograd
