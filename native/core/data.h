// Rows of arrays of any number type, as they come from Python.
#pragma once
#include <algorithm>

#include "kernels/prefetch.h"
#include "kernels/simd.h"

namespace pysmorch {

enum class Dtype : int { f32, f64, u8, i32, i64 };

struct Rows {
    const void* data = nullptr;
    Dtype dtype = Dtype::f32;
    size_t count = 0, cols = 0;

    size_t size() const { return dtype == Dtype::u8 ? 1 : dtype == Dtype::f32 || dtype == Dtype::i32 ? 4 : 8; }
    const char* at(size_t row, size_t k) const { return static_cast<const char*>(data) + (row * cols + k) * size(); }
};

template <class T, class S> inline Vec<T> convert_vector(const S* from, int n) {
    typedef S Source __attribute__((vector_size(LANES<T> * sizeof(S))));
    Source v{};
    if (n == LANES<T>) std::memcpy(&v, from, sizeof v);
    else std::memcpy(&v, from, n * sizeof(S));
    return __builtin_convertvector(v, Vec<T>);
}

// Calls f with the numbers as what they are.
template <class F> inline auto typed(const Rows& rows, F f) {
    switch (rows.dtype) {
        case Dtype::f64: return f(static_cast<const double*>(rows.data));
        case Dtype::u8: return f(static_cast<const uint8_t*>(rows.data));
        case Dtype::i32: return f(static_cast<const int32_t*>(rows.data));
        case Dtype::i64: return f(static_cast<const int64_t*>(rows.data));
        default: return f(static_cast<const float*>(rows.data));
    }
}
// Numbers k .. k + n of a row; n is at most the lanes of a vector.
template <class T> inline Vec<T> read_vector(const Rows& rows, size_t row, size_t k, int n) {
    return typed(rows, [&](const auto* numbers) { return convert_vector<T>(numbers + row * rows.cols + k, n); });
}
template <class T> inline T read_number(const Rows& rows, size_t row, size_t k) {
    return typed(rows, [&](const auto* numbers) { return T(numbers[row * rows.cols + k]); });
}

template <class S> inline bool all_finite(const S* numbers, size_t n) {
    Vec<S> sum{};  // of zeros, unless a number is not finite
    size_t i = 0;
    for (; i + LANES<S> <= n; i += LANES<S>) sum += load(numbers + i) * S(0);
    if (i < n) sum += load_part(numbers + i, int(n - i)) * S(0);
    for (int l = 0; l < LANES<S>; ++l)
        if (sum[l] != 0) return false;
    return true;
}
// Whether rows first .. first + n have only numbers that are finite as T.
template <class T> inline bool is_finite(const Rows& rows, size_t first, size_t n) {
    const size_t count = n * rows.cols;
    if (rows.dtype == Dtype::f32) return all_finite(static_cast<const float*>(rows.data) + first * rows.cols, count);
    if (rows.dtype != Dtype::f64) return true;
    const double* numbers = static_cast<const double*>(rows.data) + first * rows.cols;
    if (sizeof(T) == sizeof(double)) return all_finite(numbers, count);
    Vec<T> sum{};
    for (size_t i = 0; i < count; i += LANES<T>)
        sum += convert_vector<T>(numbers + i, int(std::min<size_t>(LANES<T>, count - i))) * T(0);
    for (int l = 0; l < LANES<T>; ++l)
        if (sum[l] != 0) return false;
    return true;
}

// Prefetches features of rows that are read next, line by line and one row after the other: a processor goes on with
// that by itself. After the last row come the features after these, of the same rows.
class RowPrefetcher {
  public:
    RowPrefetcher(const Rows& rows, const int64_t* order, size_t count, size_t first, size_t last)
        : rows_(rows), begin_(order), order_(order), end_(order + count), first_(first), last_(last) {}

    size_t lines() const { return (last_ - first_) * rows_.size() / LINE + 1; }  // of a row
    void issue(size_t lines) {
        for (; lines > 0; --lines, at_ += LINE) {
            if (at_ >= row_end_) {
                if (order_ == end_) {
                    if (last_ == rows_.cols) return;
                    order_ = begin_;
                    first_ = std::exchange(last_, std::min(rows_.cols, 2 * last_ - first_));
                }
                const size_t row = size_t(*order_++);
                at_ = rows_.at(row, first_);
                row_end_ = rows_.at(row, last_);
            }
            __builtin_prefetch(at_, 0, 2);
        }
    }

  private:
    const Rows& rows_;
    const int64_t *begin_, *order_, *end_;
    size_t first_, last_;
    const char *at_ = nullptr, *row_end_ = nullptr;
};

// Features first .. last of up to NR rows, named by `order`, side by side for each feature; lanes without a row are
// zero. As many features of `more` rows, which follow in `order`, will be gathered next.
template <class T>
inline void gather_panel(const Rows& rows, const int64_t* order, int count, size_t more, size_t first, size_t last,
                         T* panel) {
    constexpr int L = LANES<T>;
    RowPrefetcher prefetcher(rows, order, size_t(count) + more, first, last);
    prefetcher.issue(prefetcher.lines() * L);
    for (int half = 0; half < 2 * L; half += L)
        for (size_t k = first; k < last; k += L) {
            const int columns = int(rows.cols - k < size_t(L) ? rows.cols - k : L);
            Vec<T> square[L];
            prefetcher.issue(L * L * rows.size() / LINE + 1);
            for (int i = 0; i < L; ++i)
                square[i] = half + i < count ? read_vector<T>(rows, size_t(order[half + i]), k, columns) : Vec<T>{};
            if (half < count) transpose<T>(square);
            for (int i = 0; i < columns; ++i) store(panel + (k + i) * 2 * L + half, square[i]);
        }
}

}  // namespace pysmorch
