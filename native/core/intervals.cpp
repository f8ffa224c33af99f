#include "core/intervals.h"

#include <algorithm>
#include <vector>

#include "core/threads.h"

namespace pysmorch {

namespace {

// Threads are created for one call, which takes as long as so many positions of one of them.
constexpr size_t POSITIONS_OF_A_THREAD = 1 << 20;

// So many intervals has a column of many rows: loops of a known length are a few vector instructions, three times as
// fast.
constexpr int USUAL = 32;

// Neighbouring intervals of one column; in order if none begins before the previous one ends.
struct Run {
    size_t column, first, last;
    bool in_order;
};

std::vector<Run> runs_of(const Intervals& intervals) {
    std::vector<Run> runs;
    for (size_t i = 0; i < intervals.count; ++i) {
        const size_t column = size_t(intervals.owner[i]);
        if (runs.empty() || runs.back().column != column) runs.push_back({column, i, i, true});
        Run& run = runs.back();
        run.in_order &= intervals.low[i] < intervals.high[i];
        if (i > run.first) run.in_order &= intervals.high[i - 1] <= intervals.low[i];
        run.last = i + 1;
    }
    return runs;
}

float position(double x, double low, double high) {
    const double p = (x - low) / (high - low);
    return p > 0.0 ? float(std::min(p, 1.0)) : 0.0f;
}

// A number is inside of one interval at most, so that one division is enough: it is above those before, below the rest.
[[gnu::always_inline]] inline void encode_in_order(double x, const double* __restrict low,
                                                   const double* __restrict high, int count, float* __restrict out) {
    int64_t sum = 0;  // of as many bits as the comparisons, which are added as vectors
    for (int i = 0; i < count; ++i) sum += x >= high[i];
    const int above = int(sum);
    for (int i = 0; i < count; ++i) out[i] = i < above ? 1.0f : 0.0f;
    if (above < count) out[above] = position(x, low[above], high[above]);
}

}  // namespace

void encode_intervals(const double* numbers, size_t rows, size_t columns, const Intervals& intervals, float* out,
                      size_t stride, int max_threads) {
    const std::vector<Run> runs = runs_of(intervals);
    const size_t useful = rows * intervals.count / POSITIONS_OF_A_THREAD;
    const int threads = int(std::clamp<size_t>(useful, 1, size_t(std::max(1, max_threads))));
    on_threads(threads, [&](int thread) {
        const auto [first_row, last_row] = Part{thread, threads}.of(rows);
        for (size_t r = first_row; r < last_row; ++r)
            for (const Run& run : runs) {
                const double x = numbers[r * columns + run.column];
                const double *low = intervals.low + run.first, *high = intervals.high + run.first;
                float* to = out + r * stride + run.first;
                const int count = int(run.last - run.first);
                if (run.in_order && count == USUAL) encode_in_order(x, low, high, USUAL, to);
                else if (run.in_order) encode_in_order(x, low, high, count, to);
                else
                    for (int i = 0; i < count; ++i) to[i] = position(x, low[i], high[i]);
            }
    });
}

}  // namespace pysmorch
