// Columns of numbers with mean 0 and variance 1.
#pragma once
#include <cstddef>

namespace pysmorch {

// Of each column: what lies beyond `lowest` and `highest` is taken to be there, then `mean` is subtracted, and the rest
// divided by `scale`.
struct Scaling {
    const double *lowest, *highest, *mean, *scale;
};

// Writes scaled numbers, rounded to float; 0 where a number is NaN. `numbers` has `columns` entries a row, `out` has
// rows that begin `stride` entries apart.
inline void scale_numbers(const double* numbers, size_t rows, size_t columns, const Scaling& scaling, float* out,
                          size_t stride) {
    const double* __restrict lowest = scaling.lowest;
    const double* __restrict highest = scaling.highest;
    const double* __restrict mean = scaling.mean;
    const double* __restrict scale = scaling.scale;
    for (size_t r = 0; r < rows; ++r) {
        const double* __restrict from = numbers + r * columns;
        float* __restrict to = out + r * stride;
        for (size_t c = 0; c < columns; ++c) {
            double x = from[c];
            x = x < lowest[c] ? lowest[c] : x;
            x = x > highest[c] ? highest[c] : x;
            const float scaled = float((x - mean[c]) / scale[c]);
            to[c] = scaled == scaled ? scaled : 0.0f;
        }
    }
}

}  // namespace pysmorch
