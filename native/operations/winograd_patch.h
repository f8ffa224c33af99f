// What a tile of a Winograd convolution reads: a patch of an image in a panel.
#pragma once
#include "core/operation.h"

namespace pysmorch {

// An image of one panel: positions in rows, each with its channels.
template <class T, class E> struct ImageView {
    E* data;
    int height, width;
    size_t channels;

    E* at(ptrdiff_t row, ptrdiff_t column) const { return data + (row * width + column) * ptrdiff_t(channels * NR<T>); }
};

// The positions of a patch whose upper left one is (top, left), some of which may be outside of the image, where
// all is zero.
template <class T, class E, size_t ROWS, size_t COLUMNS> struct WinogradPatch {
    const E* columns[COLUMNS][ROWS];

    WinogradPatch(const ImageView<T, const E>& x, ptrdiff_t top, ptrdiff_t left, const T* zeros) {
        for (ptrdiff_t r = 0; r < ptrdiff_t(ROWS); ++r)
            for (ptrdiff_t c = 0; c < ptrdiff_t(COLUMNS); ++c) {
                const bool inside = top + r >= 0 && top + r < x.height && left + c >= 0 && left + c < x.width;
                columns[c][r] = inside ? x.at(top + r, left + c) : reinterpret_cast<const E*>(zeros);
            }
    }
    // Vector `at` of each position.
    auto vectors_at(size_t at) const {
        return [this, at](size_t column, Vec<T>(&v)[ROWS]) {
            for (size_t r = 0; r < ROWS; ++r) v[r] = load(columns[column][r] + at);
        };
    }
};

}  // namespace pysmorch
