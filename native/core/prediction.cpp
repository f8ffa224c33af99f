#include <algorithm>
#include <atomic>
#include <stdexcept>

#include "core/program.h"

namespace pysmorch {

namespace {

// Threads are created for one call, which takes as long as this many operations of one of them.
constexpr double WORK_OF_A_THREAD = 1e7;
// Signals are looked for between pieces, which take less than a second.
constexpr double WORK_OF_A_PIECE = 5e9;
// Rows that go through all operations at a time, and elements of their largest value.
constexpr size_t ROWS_AT_A_TIME = 192, ELEMENTS_AT_A_TIME = ROWS_AT_A_TIME << 10;

}  // namespace

template <class T> double Program<T>::predict_work(size_t n) const {
    double work = 0;
    for (const auto& op : operations) work += 2.0 * double(n) * op->work();
    return work;
}

template <class T>
bool Program<T>::predict(const std::vector<Rows>& data, size_t count, T* out, int max_threads,
                         const std::function<bool()>& interrupted) {
    for (auto& op : operations) op->reserve_rows(count);
    size_t largest = 1;
    for (const Value<T>& v : values) largest = std::max(largest, v.cols);
    const double work = predict_work(count);
    const size_t in_time = size_t(double(count) / std::max(1.0, work / WORK_OF_A_PIECE));
    const size_t most = std::max<size_t>(1, std::min({ROWS_AT_A_TIME, ELEMENTS_AT_A_TIME / largest, in_time}));
    const size_t useful = std::min(count, size_t(work / WORK_OF_A_THREAD));
    const int threads = int(std::clamp<size_t>(useful, 1, size_t(std::max(1, max_threads))));
    // As many for each thread, so that none waits for the last one.
    const size_t pieces =
        std::min(count, round_up(std::max<size_t>((count + most - 1) / most, size_t(threads)), size_t(threads)));
    const size_t height = (count + pieces - 1) / pieces;
    plan_rows();
    while (row_buffers_.size() < size_t(threads)) row_buffers_.emplace_back(values.size());
    for (int t = 0; t < threads; ++t) {
        row_buffers_[size_t(t)].values.get(height * row_size_);
        for (size_t v = 0; v < values.size(); ++v)
            if (values[v].is_index) row_buffers_[size_t(t)].indices[v].get(height * values[v].cols);
    }
    std::atomic<size_t> next{0};
    std::atomic<bool> finite{true};
    Barrier barrier(threads);
    on_threads(threads, [&](int thread) {
        for (auto& op : operations) op->prepare({thread, threads});
        barrier.wait();
        for (size_t piece; (piece = next.fetch_add(1)) < pieces;) {
            const size_t first = count * piece / pieces, n = count * (piece + 1) / pieces - first;
            for (const Rows& rows : data)
                if (!is_finite<T>(rows, first, n)) finite.store(false, std::memory_order_relaxed);
            predict_rows(data, first, n, height, row_buffers_[size_t(thread)], out);
            if (thread == 0 && interrupted()) next.store(pieces);
        }
    });
    return finite.load();
}

// Values of a row that are not needed at the same time share memory.
template <class T> void Program<T>::plan_rows() {
    if (!live_rows_.empty()) return;
    live_rows_.resize(values.size());
    const int end = int(operations.size());
    for (size_t v = 0; v < values.size(); ++v) live_rows_[v].size = values[v].is_index ? 0 : row_stride(v);
    for (int v : inputs) live_rows_[size_t(v)].use(0, 0);
    for (int i = 0; i < end; ++i) {
        live_rows_[size_t(outputs[size_t(i)])].use(i, i);
        for (const Value<T>* v : operations[size_t(i)]->in) live_rows_[size_t(v - values.data())].use(i, i);
    }
    live_rows_[size_t(loss.spec.value)].use(end, end);
    std::vector<char> barriers(size_t(end) + 1);
    row_size_ = assign_with_reuse(live_rows_, barriers);
}

// Rows first .. first + n through all operations.
template <class T>
void Program<T>::predict_rows(const std::vector<Rows>& data, size_t first, size_t n, size_t height, RowBuffers& own,
                              T* out) const {
    auto& [buffer, indices, rows, in, work] = own;
    for (size_t v = 0; v < values.size(); ++v)
        rows[v] = {buffer.get() + height * live_rows_[v].offset, row_stride(v), indices[v].get()};
    for (size_t i = 0; i < inputs.size(); ++i) {
        const size_t v = size_t(inputs[i]);
        if (values[v].is_index) load_indices(data[i], first, n, values[v], indices[v].get());
        else load_rows(data[i], first, n, values[v], rows[v]);
    }
    for (size_t i = 0; i < operations.size(); ++i) {
        in.clear();
        for (const Value<T>* v : operations[i]->in) in.push_back(rows[size_t(v - values.data())]);
        operations[i]->predict(in, rows[size_t(outputs[i])], n, *work);
    }
    const RowsOf<T>& last = rows[size_t(loss.spec.value)];
    const size_t K = output().cols;
    for (size_t r = 0; r < n; ++r) std::memcpy(out + (first + r) * K, last.data + r * last.stride, K * sizeof(T));
}

// A copy is checked, since another thread may be writing into the data.
template <class T>
void Program<T>::load_indices(const Rows& data, size_t first, size_t n, const Value<T>& value, int64_t* to) const {
    const size_t count = n * value.cols;
    std::memcpy(to, static_cast<const int64_t*>(data.data) + first * value.cols, count * sizeof(int64_t));
    for (const auto& op : operations)
        for (size_t i = 0; op->in[0] == &value && i < count; ++i)
            if (to[i] < 0 || size_t(to[i]) >= op->index_limit()) throw std::out_of_range("an index is out of range");
}

// Rows of the data as T; those that have this dtype are read where they are.
template <class T>
void Program<T>::load_rows(const Rows& data, size_t first, size_t n, const Value<T>& value, RowsOf<T>& rows) const {
    constexpr Dtype own = sizeof(T) == 4 ? Dtype::f32 : Dtype::f64;
    if (data.dtype == own) {
        rows.data = const_cast<T*>(static_cast<const T*>(data.data)) + first * value.cols;
        rows.stride = value.cols;
        return;
    }
    for (size_t r = 0; r < n; ++r)
        for (size_t k = 0; k < value.cols; k += LANES<T>) {
            const int count = int(std::min<size_t>(LANES<T>, value.cols - k));
            store(rows.data + r * rows.stride + k, read_vector<T>(data, first + r, k, count));
        }
}

template double Program<float>::predict_work(size_t) const;
template double Program<double>::predict_work(size_t) const;
template bool Program<float>::predict(const std::vector<Rows>&, size_t, float*, int, const std::function<bool()>&);
template bool Program<double>::predict(const std::vector<Rows>&, size_t, double*, int, const std::function<bool()>&);

}  // namespace pysmorch
