// Columns of numbers as positions in intervals between quantiles: the piecewise linear encoding.
#pragma once
#include <cstddef>
#include <cstdint>

namespace pysmorch {

// I intervals, each with its ends and the column that it belongs to.
struct Intervals {
    const double *low, *high;
    const int64_t* owner;
    size_t count;
};

// Writes (x - low) / (high - low), limited to 0 .. 1 and rounded to float, for each row and interval; 0 where x is NaN.
// `numbers` has `columns` entries a row, `out` has rows that begin `stride` entries apart.
void encode_intervals(const double* numbers, size_t rows, size_t columns, const Intervals& intervals, float* out,
                      size_t stride, int max_threads);

}  // namespace pysmorch
