// A program: a list of operations with their buffers, run for whole epochs without Python.
//
// A batch is cut into shards of rows whose number depends on the program and the batch alone. A stage runs some operations
// on every shard; between stages all threads meet. Gradients of parameters are cut into tasks over rows of W, each
// summing over the whole batch. So the number of threads changes who does what, and nothing else.
#pragma once
#include <algorithm>
#include <memory>
#include <new>
#include <stdexcept>

#include "ops.h"
#include "threads.h"

namespace pysmorch {

enum class LossKind : int { square, absolute, huber, quantile, poisson, binary, classes, rows };
enum class OptimizerKind : int { sgd, adam, adamw, rmsprop };

struct LossSpec {
    LossKind kind = LossKind::square;
    int value = 0;
    double delta = 1.0;              // of Huber
    double smoothing = 0.0;          // of labels
    std::vector<double> factors;     // quantiles, or class weights; one for each output
};

struct OptimizerSpec {
    OptimizerKind kind = OptimizerKind::sgd;
    double momentum = 0, beta1 = 0, beta2 = 0, epsilon = 0, decay = 0, weight_decay = 0, clip_norm = 0;
    bool nesterov = false;
};

enum class Dtype : int { f32, f64, u8, i32, i64 };

struct Rows {
    const void* data = nullptr;
    Dtype dtype = Dtype::f32;
    size_t count = 0, cols = 0;
};

struct Result {
    double loss = 0, metric = 0, weight = 0;
    int64_t rows = 0, failed_batch = -1, steps = 0;
    bool bad_index = false, interrupted = false;
};

// Products of fewer operations a step than this are done by one thread: two threads meeting a few times a step cost more.
constexpr double WORK_TO_SHARE = 4e6;
constexpr size_t ROWS_OF_A_SHARD = 64;

template <class T> class Buffer {
  public:
    T* get(size_t n) {
        if (n > size_) {
            data_.reset(static_cast<T*>(::operator new(n * sizeof(T) + 256, std::align_val_t(64))));
            std::memset(static_cast<void*>(data_.get()), 0, n * sizeof(T) + 256);
            size_ = n;
        }
        return data_.get();
    }

  private:
    struct Free { void operator()(T* p) const { ::operator delete(p, std::align_val_t(64)); } };
    std::unique_ptr<T, Free> data_;
    size_t size_ = 0;
};

template <class T> class Program {
  public:
    std::vector<Op> ops;
    std::vector<Value<T>> values;
    std::vector<int> inputs;           // values that are gathered from the data
    LossSpec loss;
    OptimizerSpec optimizer;
    T* parameters = nullptr;
    T* gradients = nullptr;
    T* state1 = nullptr;
    T* state2 = nullptr;
    size_t num_parameters = 0;
    const T* rate_factors = nullptr;   // one for each parameter, or null for `rate_factor`
    const T* decay_factors = nullptr;
    double rate_factor = 1, decay_factor = 1;
    std::vector<std::pair<double*, double*>> running;   // mean and variance of normalisations
    uint64_t seed = 0;

    // Called once, when everything above is set.
    void prepare() {
        first_writer_.assign(ops.size(), {});
        std::vector<char> written(values.size(), 0);
        written[loss.value] = 1;
        for (size_t i = ops.size(); i-- > 0;)
            for (int v : ops[i].inputs) {
                first_writer_[i].push_back(!written[v]);
                written[v] = 1;
            }
        build_stages();
        packed_.resize(ops.size());
        transposed_.resize(ops.size());
        scratch_.resize(ops.size());
        data_.resize(values.size());
        grad_.resize(values.size());
        index_.resize(values.size());
        extra_.resize(ops.size());
    }

    // One step for each learning rate; order has the rows of all batches.
    template <class Interrupted>
    Result train(const std::vector<Rows>& data, const Rows& labels, const double* weights, const int64_t* order, size_t num_rows,
                 size_t batch_size, const double* rates, size_t num_steps, int64_t step, int64_t optimizer_steps,
                 int threads, Interrupted&& interrupted) {
        reserve(std::min(batch_size, num_rows));
        for (size_t i = 0; i < ops.size(); ++i)
            if (ops[i].kind == Kind::dense) pack(i, 0, ops[i].D);
        build_tasks();
        Result result;
        const int count = step_work(std::min(batch_size, num_rows)) < WORK_TO_SHARE ? 1 : std::max(1, threads);
        Barrier barrier(count);
        std::atomic<size_t> next{0};
        std::atomic<bool> stop{false};
        on_threads(count, [&](int thread) {
            for (size_t b = 0; b < num_steps; ++b) {
                const size_t start = b * batch_size;
                const size_t n = std::min(batch_size, num_rows - start);
                const Step s{data, labels, weights, order + start, n, step + int64_t(b), num_shards(n)};
                for (const Stage& stage : stages_) {
                    for (size_t shard = thread; shard < s.shards; shard += count)
                        for (const Item& item : stage) run(item, s, shard);
                    if (thread == 0) next.store(0, std::memory_order_relaxed);
                    barrier.wait();
                }
                double total = 0, metric = 0, weight = 0;
                bool bad = false;
                for (size_t shard = 0; shard < s.shards; ++shard) {
                    total += sums_[shard].loss;
                    metric += sums_[shard].metric;
                    weight += sums_[shard].weight;
                    bad = bad || sums_[shard].bad_index;
                }
                const bool failed = bad || !std::isfinite(total);
                if (thread == 0) {
                    if (failed) {
                        result.failed_batch = int64_t(b);
                        result.bad_index = bad;
                    } else {
                        result.loss += total;
                        result.metric += metric;
                        result.weight += weight;
                        result.rows += int64_t(n);
                        result.steps += 1;
                    }
                }
                if (failed) return;
                const Update u = update_of(rates[b], optimizer_steps + int64_t(b) + 1);
                const bool clipped = optimizer.clip_norm > 0;
                for (size_t t; (t = next.fetch_add(1)) < tasks_.size();) {
                    gradient(tasks_[t], s);
                    if (clipped) norms_[t] = squared_norm(tasks_[t]);
                    else update(tasks_[t], u, 1.0);
                }
                barrier.wait();
                if (clipped) {
                    double norm = 0;
                    for (double part : norms_) norm += part;
                    norm = std::sqrt(norm);
                    const double factor = norm > optimizer.clip_norm ? optimizer.clip_norm / norm : 1.0;
                    for (size_t t = thread; t < tasks_.size(); t += count) update(tasks_[t], u, factor);
                    barrier.wait();
                }
                if (thread == 0 && interrupted()) stop.store(true);
                if (count > 1) barrier.wait();
                if (stop.load()) {
                    if (thread == 0) result.interrupted = true;
                    return;
                }
            }
        });
        return result;
    }

  private:
    struct Item { int op; int phase; bool back; };
    using Stage = std::vector<Item>;
    struct Step {
        const std::vector<Rows>& data;
        const Rows& labels;
        const double* weights;
        const int64_t* order;
        size_t n;
        int64_t step;
        size_t shards;
    };
    struct Task { int op; size_t first, last; bool of_bias; };
    struct Sums { double loss = 0, metric = 0, weight = 0; bool bad_index = false; char apart[39] = {}; };
    struct Update { double rate, beta1_rest, beta2_root; };

    static constexpr int GATHER = -1, LOSS = -2;

    void build_stages() {
        stages_.assign(1, {{GATHER, 0, false}});
        for (size_t i = 0; i < ops.size(); ++i) {
            stages_.back().push_back({int(i), 0, false});
            if (ops[i].kind == Kind::normalize)
                for (int phase : {1, 2}) stages_.push_back({{int(i), phase, false}});
        }
        stages_.back().push_back({LOSS, 0, false});
        for (size_t i = ops.size(); i-- > 0;) {
            stages_.back().push_back({int(i), 0, true});
            if (ops[i].kind == Kind::normalize) stages_.push_back({{int(i), 1, true}});
        }
    }

    // Rows of W are cut where packed panels of the transposed form begin.
    void build_tasks() {
        tasks_.clear();
        for (size_t i = 0; i < ops.size(); ++i) {
            const Op& op = ops[i];
            if (op.kind == Kind::dense) {
                const size_t block = WIDE<T> * std::max<size_t>(1, 16384 / std::max<size_t>(1, op.K * WIDE<T>));
                for (size_t d = 0; d < op.D; d += block) tasks_.push_back({int(i), d, std::min(op.D, d + block), false});
                if (op.bias >= 0) tasks_.push_back({int(i), 0, op.K, true});
            } else if (op.weights >= 0) {
                tasks_.push_back({int(i), 0, op.kind == Kind::embedding ? op.D : op.K, false});
            }
        }
        norms_.assign(tasks_.size(), 0.0);
    }

    size_t num_shards(size_t n) const { return std::max<size_t>(1, n / ROWS_OF_A_SHARD); }
    double step_work(size_t n) const {
        double work = 0;
        for (const Op& op : ops) work += 6.0 * double(n) * (op.kind == Kind::dense ? double(op.D) * op.K : values[op.output].cols);
        return work;
    }

    void reserve(size_t n) {
        for (size_t v = 0; v < values.size(); ++v) {
            Value<T>& value = values[v];
            value.stride = round_up(value.cols, WIDE<T>);
            if (value.stride * sizeof(T) % 1024 == 0) value.stride += WIDE<T>;  // so that rows do not share cache sets
            if (value.is_index) value.index = index_[v].get(n * value.cols);
            else value.data = data_[v].get(n * value.stride);
            if (value.needs_grad) value.grad = grad_[v].get(n * value.stride);
        }
        const size_t shards = num_shards(n);
        sums_.assign(shards, {});
        widest_ = 16;
        for (const Value<T>& value : values) widest_ = std::max(widest_, value.stride);
        shard_scratch_.get(shards * 4 * widest_);
        for (size_t i = 0; i < ops.size(); ++i) {
            const Op& op = ops[i];
            if (op.kind == Kind::dense) {
                packed_[i].get(packed_size<T>(op.D, op.K));
                transposed_[i].get(packed_size<T>(op.K, op.D));
            }
            if (op.kind == Kind::dropout) scratch_[i].get(n * values[op.output].stride);
            if (op.kind == Kind::layer_normalize) scratch_[i].get(n * (values[op.output].cols / op.K));
            if (op.kind == Kind::normalize) {
                scratch_[i].get(op.K);
                extra_[i].get(shards * 4 * op.K);  // sums of the forward pass, then those of the backward pass
            }
        }
    }

    void pack(size_t i, size_t first, size_t last) {
        const Op& op = ops[i];
        pack_rows(parameters + op.weights, op.D, op.K, packed_[i].get(0), first, last);
        if (values[op.inputs[0]].needs_grad)
            pack_columns(parameters + op.weights, op.K, transposed_[i].get(0), first, last);
    }

    // One of four rows for what a shard needs for a moment; nothing is allocated while threads run.
    T* scratch(size_t shard, size_t which) { return shard_scratch_.get(0) + (shard * 4 + which) * widest_; }

    T* row(int v, size_t r) { return values[v].data + r * values[v].stride; }
    T* grad_row(int v, size_t r) { return values[v].grad + r * values[v].stride; }

    void run(const Item& item, const Step& s, size_t shard) {
        const size_t first = s.n * shard / s.shards, last = s.n * (shard + 1) / s.shards;
        if (item.op == GATHER) gather(s, shard, first, last);
        else if (item.op == LOSS) apply_loss(s, shard, first, last);
        else if (item.back) backward(size_t(item.op), item.phase, s, shard, first, last);
        else forward(size_t(item.op), item.phase, s, shard, first, last);
    }

    template <class S> static void convert(T* to, const S* from, size_t n) {
        for (size_t i = 0; i < n; ++i) to[i] = T(from[i]);
    }
    static void read_row(T* to, const Rows& rows, size_t r) {
        const size_t n = rows.cols;
        switch (rows.dtype) {
            case Dtype::f32: convert(to, static_cast<const float*>(rows.data) + r * n, n); break;
            case Dtype::f64: convert(to, static_cast<const double*>(rows.data) + r * n, n); break;
            case Dtype::u8: convert(to, static_cast<const uint8_t*>(rows.data) + r * n, n); break;
            case Dtype::i32: convert(to, static_cast<const int32_t*>(rows.data) + r * n, n); break;
            case Dtype::i64: convert(to, static_cast<const int64_t*>(rows.data) + r * n, n); break;
        }
    }

    void gather(const Step& s, size_t shard, size_t first, size_t last) {
        sums_[shard].bad_index = false;
        for (size_t i = 0; i < inputs.size(); ++i) {
            Value<T>& value = values[inputs[i]];
            for (size_t r = first; r < last; ++r) {
                const size_t from = size_t(s.order[r]);
                if (value.is_index)
                    std::memcpy(value.index + r * value.cols, static_cast<const int64_t*>(s.data[i].data) + from * value.cols,
                                value.cols * sizeof(int64_t));
                else
                    read_row(row(inputs[i], r), s.data[i], from);
            }
        }
    }

    void forward(size_t i, int phase, const Step& s, size_t shard, size_t first, size_t last) {
        const Op& op = ops[i];
        const int x = op.inputs[0], y = op.output;
        const size_t cols = values[y].cols;
        switch (op.kind) {
            case Kind::dense: {
                const bool relu = op.activation == Activation::relu;
                const T* shift = op.bias >= 0 ? parameters + op.bias : nullptr;
                product<T>(last - first, op.K, op.D, row(x, first), values[x].stride, packed_[i].get(0), row(y, first),
                           values[y].stride, relu ? Store::set_bias_relu : Store::set_bias, shift);
                if (!relu && op.activation != Activation::none)
                    for (size_t r = first; r < last; ++r) activate<T>(op.activation, T(op.a), row(y, r), row(y, r), cols);
                break;
            }
            case Kind::bias:
            case Kind::scale: {
                const T* w = parameters + op.weights;
                for (size_t r = first; r < last; ++r)
                    for (size_t j = 0; j < cols; j += op.K)
                        if (op.kind == Kind::bias) each_lane(row(y, r) + j, row(x, r) + j, w, op.K, [](auto a, auto b) { return a + b; });
                        else each_lane(row(y, r) + j, row(x, r) + j, w, op.K, [](auto a, auto b) { return a * b; });
                break;
            }
            case Kind::activation:
                for (size_t r = first; r < last; ++r) activate<T>(op.activation, T(op.a), row(x, r), row(y, r), cols);
                break;
            case Kind::dropout: {
                T* mask = scratch_[i].get(0);
                const uint64_t threshold = uint64_t(std::nearbyint(op.a * 4294967296.0));
                const T kept = T(1) / T(1 - op.a);
                for (size_t r = first; r < last; ++r) {
                    T* m = mask + r * values[y].stride;
                    for (size_t j = 0; j < cols; ++j)
                        m[j] = philox_word(seed, uint32_t(op.place), uint64_t(s.step), r * cols + j) >= threshold ? kept : T(0);
                    each_lane(row(y, r), row(x, r), m, cols, [](auto a, auto b) { return a * b; });
                }
                break;
            }
            case Kind::normalize: normalize(i, phase, s, shard, first, last); break;
            case Kind::layer_normalize: {
                T* inverse = scratch_[i].get(0);
                const size_t groups = cols / op.K;
                for (size_t r = first; r < last; ++r)
                    for (size_t g = 0; g < groups; ++g) {
                        const T* from = row(x, r) + g * op.K;
                        T* to = row(y, r) + g * op.K;
                        double sum = 0, squares = 0;
                        for (size_t j = 0; j < op.K; ++j) sum += double(from[j]);
                        const T mean = T(sum / double(op.K));
                        for (size_t j = 0; j < op.K; ++j) { to[j] = from[j] - mean; squares += double(to[j]) * double(to[j]); }
                        const T scale = T(1 / std::sqrt(squares / double(op.K) + op.a));
                        inverse[r * groups + g] = scale;
                        for (size_t j = 0; j < op.K; ++j) to[j] *= scale;
                    }
                break;
            }
            case Kind::add:
            case Kind::multiply:
                for (size_t r = first; r < last; ++r) {
                    std::memcpy(row(y, r), row(x, r), cols * sizeof(T));
                    for (size_t k = 1; k < op.inputs.size(); ++k)
                        if (op.kind == Kind::add) each_lane(row(y, r), row(y, r), row(op.inputs[k], r), cols, [](auto a, auto b) { return a + b; });
                        else each_lane(row(y, r), row(y, r), row(op.inputs[k], r), cols, [](auto a, auto b) { return a * b; });
                }
                break;
            case Kind::concat: {
                // op.K entries of the last axis are joined of the inputs' own; there may be several groups of them in a row.
                const size_t groups = cols / op.K;
                for (size_t r = first; r < last; ++r) {
                    size_t at = 0;
                    for (int v : op.inputs) {
                        const size_t width = values[v].cols / groups;
                        for (size_t g = 0; g < groups; ++g)
                            std::memcpy(row(y, r) + g * op.K + at, row(v, r) + g * width, width * sizeof(T));
                        at += width;
                    }
                }
                break;
            }
            case Kind::embedding: {
                const int64_t* index = values[x].index;
                const size_t count = values[x].cols;
                for (size_t r = first; r < last; ++r)
                    for (size_t j = 0; j < count; ++j) {
                        const int64_t k = index[r * count + j];
                        if (k < 0 || size_t(k) >= op.D) { sums_[shard].bad_index = true; continue; }
                        std::memcpy(row(y, r) + j * op.K, parameters + op.weights + size_t(k) * op.K, op.K * sizeof(T));
                    }
                break;
            }
        }
    }

    void normalize(size_t i, int phase, const Step& s, size_t shard, size_t first, size_t last) {
        const Op& op = ops[i];
        const int x = op.inputs[0], y = op.output;
        const size_t K = op.K, groups = values[y].cols / K;
        double* sums = extra_[i].get(0);
        double* own = sums + shard * 2 * K;
        const double count = double(s.n) * double(groups);
        auto combined = [&](size_t j, size_t which) {
            double total = 0;
            for (size_t k = 0; k < s.shards; ++k) total += sums[k * 2 * K + which * K + j];
            return total / count;
        };
        if (phase == 0) {
            std::fill(own, own + K, 0.0);
            for (size_t r = first; r < last; ++r)
                for (size_t g = 0; g < groups; ++g)
                    for (size_t j = 0; j < K; ++j) own[j] += double(row(x, r)[g * K + j]);
        } else if (phase == 1) {
            std::fill(own + K, own + 2 * K, 0.0);
            for (size_t j = 0; j < K; ++j) {
                const double exact = combined(j, 0);
                const T mean = T(exact);
                for (size_t r = first; r < last; ++r)
                    for (size_t g = 0; g < groups; ++g) {
                        const T centred = row(x, r)[g * K + j] - mean;
                        row(y, r)[g * K + j] = centred;
                        own[K + j] += double(centred) * double(centred);
                    }
            }
        } else {
            T* inverse = scratch_[i].get(0);
            T* scales = scratch(shard, 0);
            for (size_t j = 0; j < K; ++j) {
                const double variance = combined(j, 1);
                scales[j] = T(1 / std::sqrt(variance + op.a));
                if (shard == 0) {
                    inverse[j] = scales[j];
                    auto [mean, var] = running[size_t(op.state)];
                    mean[j] += op.b * (combined(j, 0) - mean[j]);
                    if (count > 1) var[j] += op.b * (variance * (count / (count - 1)) - var[j]);
                }
            }
            for (size_t r = first; r < last; ++r)
                for (size_t g = 0; g < groups; ++g)
                    each_lane(row(y, r) + g * K, row(y, r) + g * K, scales, K, [](auto a, auto b) { return a * b; });
        }
    }

    // Write or add f(...) into the gradient of input k of an operation, for one row.
    template <class F> void hand_back(size_t i, size_t k, size_t r, const T* a, const T* b, size_t n, size_t at, F f) {
        const int v = ops[i].inputs[k];
        if (!values[v].needs_grad) return;
        T* g = grad_row(v, r) + at;
        if (first_writer_[i][k]) { each_lane(g, a, b, n, f); return; }
        size_t j = 0;
        for (; j + LANES<T> <= n; j += LANES<T>) store(g + j, load(g + j) + f(load(a + j), load(b + j)));
        if (j < n) {
            const int rest = int(n - j);
            store_part(g + j, load_part(g + j, rest) + f(load_part(a + j, rest), load_part(b + j, rest)), rest);
        }
    }

    void backward(size_t i, int phase, const Step& s, size_t shard, size_t first, size_t last) {
        const Op& op = ops[i];
        const int x = op.inputs[0], y = op.output;
        const size_t cols = values[y].cols;
        if (!values[y].needs_grad) return;
        auto same = [](auto a, auto) { return a; };
        auto times = [](auto a, auto b) { return a * b; };
        switch (op.kind) {
            case Kind::dense:
                if (op.activation != Activation::none)
                    for (size_t r = first; r < last; ++r)
                        activate_back<T>(op.activation, T(op.a), row(y, r), row(y, r), grad_row(y, r), grad_row(y, r), cols);
                if (values[x].needs_grad)
                    product<T>(last - first, op.D, op.K, grad_row(y, first), values[y].stride, transposed_[i].get(0),
                               grad_row(x, first), values[x].stride, first_writer_[i][0] ? Store::set_bias : Store::add, nullptr);
                break;
            case Kind::bias:
                for (size_t r = first; r < last; ++r) hand_back(i, 0, r, grad_row(y, r), grad_row(y, r), cols, 0, same);
                break;
            case Kind::scale:
                for (size_t r = first; r < last; ++r)
                    for (size_t j = 0; j < cols; j += op.K)
                        hand_back(i, 0, r, grad_row(y, r) + j, parameters + op.weights, op.K, j, times);
                break;
            case Kind::activation: {
                T* part = scratch(shard, 0);
                for (size_t r = first; r < last; ++r) {
                    activate_back<T>(op.activation, T(op.a), row(x, r), row(y, r), grad_row(y, r), part, cols);
                    hand_back(i, 0, r, part, part, cols, 0, same);
                }
                break;
            }
            case Kind::dropout:
                for (size_t r = first; r < last; ++r)
                    hand_back(i, 0, r, grad_row(y, r), scratch_[i].get(0) + r * values[y].stride, cols, 0, times);
                break;
            case Kind::normalize: {
                const size_t K = op.K, groups = cols / K;
                double* sums = extra_[i].get(0) + s.shards * 2 * K;
                const double count = double(s.n) * double(groups);
                if (phase == 0) {
                    double* own = sums + shard * 2 * K;
                    std::fill(own, own + 2 * K, 0.0);
                    for (size_t r = first; r < last; ++r)
                        for (size_t g = 0; g < groups; ++g)
                            for (size_t j = 0; j < K; ++j) {
                                const double d = double(grad_row(y, r)[g * K + j]);
                                own[j] += d;
                                own[K + j] += d * double(row(y, r)[g * K + j]);
                            }
                    break;
                }
                T *mean = scratch(shard, 0), *along = scratch(shard, 1), *part = scratch(shard, 2);
                for (size_t j = 0; j < K; ++j) {
                    double a = 0, b = 0;
                    for (size_t k = 0; k < s.shards; ++k) { a += sums[k * 2 * K + j]; b += sums[k * 2 * K + K + j]; }
                    mean[j] = T(a / count);
                    along[j] = T(b / count);
                }
                for (size_t r = first; r < last; ++r)
                    for (size_t g = 0; g < groups; ++g) {
                        for (size_t j = 0; j < K; ++j)
                            part[j] = grad_row(y, r)[g * K + j] - mean[j] - row(y, r)[g * K + j] * along[j];
                        hand_back(i, 0, r, part, scratch_[i].get(0), K, g * K, times);
                    }
                break;
            }
            case Kind::layer_normalize: {
                const size_t K = op.K, groups = cols / K;
                T* part = scratch(shard, 0);
                for (size_t r = first; r < last; ++r)
                    for (size_t g = 0; g < groups; ++g) {
                        const T* d = grad_row(y, r) + g * K;
                        const T* out = row(y, r) + g * K;
                        double mean = 0, along = 0;
                        for (size_t j = 0; j < K; ++j) { mean += double(d[j]); along += double(d[j]) * double(out[j]); }
                        const T m = T(mean / double(K)), a = T(along / double(K)), scale = scratch_[i].get(0)[r * groups + g];
                        for (size_t j = 0; j < K; ++j) part[j] = scale * (d[j] - m - out[j] * a);
                        hand_back(i, 0, r, part, part, K, g * K, same);
                    }
                break;
            }
            case Kind::add:
                for (size_t k = 0; k < op.inputs.size(); ++k)
                    for (size_t r = first; r < last; ++r) hand_back(i, k, r, grad_row(y, r), grad_row(y, r), cols, 0, same);
                break;
            case Kind::multiply: {
                T* part = scratch(shard, 0);
                for (size_t k = 0; k < op.inputs.size(); ++k)
                    for (size_t r = first; r < last; ++r) {
                        std::memcpy(part, grad_row(y, r), cols * sizeof(T));
                        for (size_t other = 0; other < op.inputs.size(); ++other)
                            if (other != k) each_lane(part, part, row(op.inputs[other], r), cols, times);
                        hand_back(i, k, r, part, part, cols, 0, same);
                    }
                break;
            }
            case Kind::concat: {
                const size_t groups = cols / op.K;
                size_t at = 0;
                for (size_t k = 0; k < op.inputs.size(); ++k) {
                    const size_t width = values[op.inputs[k]].cols / groups;
                    for (size_t r = first; r < last; ++r)
                        for (size_t g = 0; g < groups; ++g) {
                            const T* d = grad_row(y, r) + g * op.K + at;
                            hand_back(i, k, r, d, d, width, g * width, same);
                        }
                    at += width;
                }
                break;
            }
            case Kind::embedding: break;
        }
    }

    void apply_loss(const Step& s, size_t shard, size_t first, size_t last);
    void gradient(const Task& task, const Step& s);

    Update update_of(double rate, int64_t step) const {
        if (optimizer.kind != OptimizerKind::adam && optimizer.kind != OptimizerKind::adamw) return {rate, 1, 1};
        return {rate, 1 - std::pow(optimizer.beta1, double(step)), std::sqrt(1 - std::pow(optimizer.beta2, double(step)))};
    }
    std::pair<size_t, size_t> range(const Task& task) const {
        const Op& op = ops[size_t(task.op)];
        if (task.of_bias) return {size_t(op.bias) + task.first, size_t(op.bias) + task.last};
        const size_t width = op.kind == Kind::dense || op.kind == Kind::embedding ? op.K : 1;
        return {size_t(op.weights) + task.first * width, size_t(op.weights) + task.last * width};
    }
    double squared_norm(const Task& task) const {
        const auto [from, to] = range(task);
        double sum = 0;
        for (size_t p = from; p < to; ++p) sum += double(gradients[p]) * double(gradients[p]);
        return sum;
    }
    void update(const Task& task, const Update& u, double clip);

    std::vector<Stage> stages_;
    std::vector<Task> tasks_;
    std::vector<double> norms_;
    std::vector<Sums> sums_;
    std::vector<std::vector<char>> first_writer_;
    size_t widest_ = 0;
    Buffer<T> shard_scratch_;
    std::vector<Buffer<T>> packed_, transposed_, scratch_, data_, grad_;
    std::vector<Buffer<int64_t>> index_;
    std::vector<Buffer<double>> extra_;
};

// Gradients of parameters: each task sums over the whole batch, in the order of the rows.
template <class T> void Program<T>::gradient(const Task& task, const Step& s) {
    const Op& op = ops[size_t(task.op)];
    const int x = op.inputs[0], y = op.output;
    const Value<T>&in = values[x], &out = values[y];
    if (task.of_bias || op.kind == Kind::bias || op.kind == Kind::scale) {
        T* g = gradients + (task.of_bias ? op.bias : op.weights);
        const size_t K = op.K, groups = out.cols / K;
        std::fill(g, g + K, T(0));
        for (size_t r = 0; r < s.n; ++r)
            for (size_t j = 0; j < groups; ++j) {
                const T* d = out.grad + r * out.stride + j * K;
                if (op.kind == Kind::scale) {
                    const T* v = in.data + r * in.stride + j * K;
                    for (size_t k = 0; k < K; ++k) g[k] += d[k] * v[k];
                } else {
                    each_lane(g, g, d, K, [](auto a, auto b) { return a + b; });
                }
            }
    } else if (op.kind == Kind::dense) {
        T* g = gradients + op.weights + task.first * op.K;
        for (size_t n = 0; n < op.K; n += WIDE<T>) {
            const int columns = int(std::min<size_t>(WIDE<T>, op.K - n));
            panel_product<T>(task.last - task.first, s.n, in.data + task.first, 1, in.stride, out.grad + n, out.stride, g + n,
                             op.K, columns, Store::set_bias, nullptr);
        }
    } else if (op.kind == Kind::embedding) {
        T* g = gradients + op.weights;
        std::fill(g, g + op.D * op.K, T(0));
        for (size_t r = 0; r < s.n; ++r)
            for (size_t j = 0; j < in.cols; ++j) {
                T* to = g + size_t(in.index[r * in.cols + j]) * op.K;
                each_lane(to, to, out.grad + r * out.stride + j * op.K, op.K, [](auto a, auto b) { return a + b; });
            }
    }
}

template <class T> void Program<T>::update(const Task& task, const Update& u, double clip) {
    const auto [from, to] = range(task);
    const T clip_by = T(clip), momentum = T(optimizer.momentum), epsilon = T(optimizer.epsilon);
    const T b1 = T(optimizer.beta1), b2 = T(optimizer.beta2), root = T(u.beta2_root), rest = T(u.beta1_rest);
    const T rho = T(optimizer.decay);
    const bool nesterov = optimizer.nesterov;
    const OptimizerKind kind = optimizer.kind;
    T* __restrict__ W = parameters;
    T* __restrict__ G = gradients;
    T* __restrict__ m = state1;
    T* __restrict__ v = state2;
    auto loop = [&](auto rate_at, auto decay_at) {
        for (size_t p = from; p < to; ++p) {
            const T r = rate_at(p), d = decay_at(p);
            T g = G[p] * clip_by;
            if (kind == OptimizerKind::adamw) W[p] -= r * d * W[p];
            else g += d * W[p];
            if (kind == OptimizerKind::sgd) {
                if (m) {
                    m[p] = momentum * m[p] + g;
                    g = nesterov ? g + momentum * m[p] : m[p];
                }
                W[p] -= r * g;
            } else if (kind == OptimizerKind::rmsprop) {
                m[p] = rho * m[p] + (1 - rho) * g * g;
                v[p] = momentum * v[p] + g / (std::sqrt(m[p]) + epsilon);
                W[p] -= r * v[p];
            } else {
                m[p] = b1 * m[p] + (1 - b1) * g;
                v[p] = b2 * v[p] + (1 - b2) * g * g;
                W[p] -= r / rest * m[p] / (std::sqrt(v[p]) / root + epsilon);
            }
        }
    };
    const T rate = T(u.rate * rate_factor), decay = T(optimizer.weight_decay * decay_factor);
    const T plain_rate = T(u.rate), plain_decay = T(optimizer.weight_decay);
    const T* rf = rate_factors;
    const T* df = decay_factors;
    auto const_rate = [=](size_t) { return rate; };
    auto own_rate = [=](size_t p) { return plain_rate * rf[p]; };
    auto const_decay = [=](size_t) { return decay; };
    auto own_decay = [=](size_t p) { return plain_decay * df[p]; };
    if (rf && df) loop(own_rate, own_decay);
    else if (rf) loop(own_rate, const_decay);
    else if (df) loop(const_rate, own_decay);
    else loop(const_rate, const_decay);
    const Op& op = ops[size_t(task.op)];
    if (op.kind == Kind::dense && !task.of_bias) pack(size_t(task.op), task.first, task.last);
}

// The loss of a shard's rows, its metric, and the gradient of the mean over the batch.
template <class T> void Program<T>::apply_loss(const Step& s, size_t shard, size_t first, size_t last) {
    Sums& sums = sums_[shard];
    const bool bad = sums.bad_index;
    sums = {};
    sums.bad_index = bad;
    Value<T>& out = values[loss.value];
    const size_t K = out.cols;
    T *y = scratch(shard, 0), *shifted = scratch(shard, 1), *e = scratch(shard, 2), *label = scratch(shard, 3);
    for (size_t r = first; r < last; ++r) {
        const size_t from = size_t(s.order[r]);
        const double weight = s.weights ? s.weights[from] : 1.0;
        const T* x = out.data + r * out.stride;
        T* g = out.needs_grad ? out.grad + r * out.stride : e;
        double l = 0, score = 0;
        if (loss.kind == LossKind::classes || loss.kind == LossKind::rows) {
            size_t right = 0;
            if (loss.kind == LossKind::classes) {
                right = size_t(static_cast<const int64_t*>(s.labels.data)[from]);
                if (right >= K) { sums.bad_index = true; continue; }
                std::fill(y, y + K, T(0));
                y[right] = T(1);
            } else {
                read_row(y, s.labels, from);
                right = size_t(std::max_element(y, y + K) - y);
            }
            T largest = x[0];
            size_t guess = 0;
            bool finite = x[0] == x[0];
            for (size_t k = 1; k < K; ++k) {
                if (x[k] > largest) { largest = x[k]; guess = k; }
                finite = finite && x[k] == x[k];
            }
            for (size_t k = 0; k < K; ++k) shifted[k] = x[k] - largest;
            each_lane(e, shifted, K, [](auto v) { return vexp(v); });
            double sum = 0, total = 0;
            for (size_t k = 0; k < K; ++k) sum += double(e[k]);
            const double log_sum = std::log(sum);
            for (size_t k = 0; k < K; ++k) {
                double t = (1 - loss.smoothing) * double(y[k]) + loss.smoothing / double(K);
                if (!loss.factors.empty()) t *= loss.factors[k];
                y[k] = T(t);
                total += t;
                if (t != 0) l += t * (log_sum - double(shifted[k]));
            }
            const T factor = T(weight / double(s.n)), scale = T(total / sum);
            for (size_t k = 0; k < K; ++k) g[k] = factor * (e[k] * scale - y[k]);
            score = guess == right ? 1 : 0;
            if (!finite) l = std::numeric_limits<double>::quiet_NaN();
        } else {
            read_row(label, s.labels, from);
            const T factor = T(weight / double(s.n));
            for (size_t k = 0; k < K; ++k) {
                const double v = double(x[k]), t = double(label[s.labels.cols == K ? k : 0]);
                double d = v - t;
                switch (loss.kind) {
                    case LossKind::square: l += 0.5 * d * d; break;
                    case LossKind::absolute: l += std::fabs(d); d = (d > 0) - (d < 0); break;
                    case LossKind::huber: {
                        const double near = std::min(std::fabs(d), loss.delta);
                        l += near * (std::fabs(d) - 0.5 * near);
                        d = std::clamp(d, -loss.delta, loss.delta);
                        break;
                    }
                    case LossKind::quantile: {
                        const double q = loss.factors[k];
                        l += std::max(q * -d, (q - 1) * -d);
                        d = d < 0 ? -q : d > 0 ? 1 - q : 0.0;
                        break;
                    }
                    case LossKind::poisson: {
                        const double rate = std::exp(v);
                        l += rate - t * v;
                        d = rate - t;
                        break;
                    }
                    case LossKind::binary: {
                        const double small = std::exp(-std::fabs(v));
                        l += std::max(v, 0.0) + std::log1p(small) - t * v;
                        d = (v >= 0 ? 1.0 : small) / (1.0 + small) - t;
                        break;
                    }
                    default: break;
                }
                if (loss.kind == LossKind::binary) score += (v > 0) == (t > 0.5);
                else score += std::fabs((loss.kind == LossKind::poisson ? std::exp(v) : v) - t);
                g[k] = factor * T(d);
            }
            score /= double(std::max<size_t>(K, 1));
        }
        sums.loss += weight * l;
        sums.metric += weight * score;
        sums.weight += weight;
    }
}

}  // namespace pysmorch
