#include "core/training.h"

#include <algorithm>
#include <cmath>

namespace pysmorch {

namespace {

constexpr size_t FEATURES_AT_A_TIME = 64;     // of a row that is gathered: a unit of work
constexpr size_t FEATURES_PREFETCHED = 1024;  // so many features of the rows of a panel fit the L2 cache
// Within a step of more operations of one thread, about 0.2 s, signals are looked for; and after so many.
constexpr double LONG_STEP = 1e10, WORK_AT_A_TIME = 2e9;
// To bring a number and its gradient from the memory takes as long as so many operations.
constexpr double WORK_OF_A_NUMBER = 100;
// A step of more operations for each parameter can be undone: a copy of the parameters costs less than 2 % of it.
constexpr double WORK_OF_A_COPY = 2e4;

// Calls f for parts of a range: so many of its features, so many of its panels.
template <class F> void in_chunks(const Range& r, size_t features, size_t panels, F f) {
    for (size_t i = 0; i < panels; ++i) {
        const size_t first = r.first + (r.last - r.first) * i / panels;
        const size_t last = r.first + (r.last - r.first) * (i + 1) / panels;
        for (size_t j = 0; j < features && first < last; ++j)
            f(Range{first, last, {r.part.index * int(features) + int(j), r.part.count * int(features)}});
    }
}

}  // namespace

template <class T>
Result Program<T>::train(const Epoch& epoch, int max_threads, const std::function<bool()>& interrupted) {
    const size_t largest = std::min(epoch.batch_size, epoch.num_rows);
    const int count = threads_for(largest, max_threads);
    reserve(step_of(largest, 0, count));
    updater.resumes = updater.holds = false;
    const double work = interruptible_work(largest);
    const size_t chunks = chunks_of(work / count);
    Training t(epoch, interrupted, count, chunks, chunks > 1 && work > WORK_OF_A_COPY * double(updater.num_parameters));
    on_threads(count, [&](int thread) {
        const SubnormalsToZero flushing;
        train_thread(t, thread);
    });
    t.error.rethrow();
    return t.result;
}

template <class T> double Program<T>::interruptible_work(size_t n) const {
    size_t numbers = 0;  // of a row
    for (const Value<T>& v : values) numbers += v.cols;
    return step_work(n) + WORK_OF_A_NUMBER * double(n) * double(numbers);
}

template <class T> size_t Program<T>::chunks_of(double work) {
    return work < LONG_STEP ? 1 : size_t(std::min(work / WORK_AT_A_TIME, double(Training::UNITS)));
}

// A whole batch of n rows.
template <class T> Step Program<T>::step_of(size_t n, int64_t number, int threads) const {
    const size_t panels = panels_of(n);
    return {.n = n,
            .panels = panels,
            .seed = seed,
            .number = number,
            .threads = threads,
            .total = n,
            .total_panels = panels};
}

template <class T> void Program<T>::train_thread(Training& t, int thread) {
    const Epoch& epoch = t.epoch;
    for (auto& op : operations) op->begin({thread, t.count});
    t.barrier.wait();
    for (size_t b = 0; b < epoch.rates.size(); ++b) {
        const size_t start = b * epoch.batch_size, n = std::min(epoch.batch_size, epoch.num_rows - start);
        Step s = step_of(n, epoch.first_step + int64_t(b), t.count);
        s.batch = b;
        s.dropout_rates = &epoch.dropout_rates;
        const Labels labels{epoch.labels, epoch.weights, epoch.order.data() + start};
        if (thread == 0)
            updater.begin(epoch.rates[b], epoch.decays[b], epoch.optimizer_steps + int64_t(b) + 1,
                          b + 1 == epoch.rates.size());
        if (thread == 0 && t.chunks > 1) remember(t);
        const auto [first_task, last_task] = tasks_for(thread, t.count, 0, tasks_.size());
        t.tasks.assign(thread, first_task, last_task);
        if (!run_stages(t, s, labels, thread, 0, stages_.size())) return;
        const Sums total = total_of(s, {});
        const bool failed = total.bad || !std::isfinite(total.loss);
        if (thread == 0 && failed) t.result.failed_batch = int64_t(b);
        if (failed) return;
        if (thread == 0) {
            t.result.loss += total.loss;
            t.result.metric += total.metric;
            t.result.weight += total.weight;
            t.result.rows += int64_t(n);
            t.result.steps += 1;
        }
        if (!update_parameters(t, s, thread)) return;
    }
}

// Some stages of the forward pass, loss and backward pass. Returns whether no thread failed.
template <class T>
bool Program<T>::run_stages(Training& t, const Step& s, const Labels& labels, int thread, size_t first, size_t last) {
    Workspace<T>& work = *workspaces_[size_t(thread)];
    bool by_feature = false;
    int queue = 0;
    for (size_t i = first; i < last; ++i) {
        const Stage& stage = stages_[i];
        const bool now = is_by_feature(stage, s), steals = now && steals_work(stage);
        WorkQueue& units = t.units[queue ^= steals];
        if (steals) units.assign(thread, size_t(thread) * t.UNITS, size_t(thread + 1) * t.UNITS);
        if (now || by_feature || needs_barrier_[i]) t.barrier.wait();
        by_feature = now;
        auto go = [&](const Range& range) {
            if (halts(t, thread)) return;
            if (!t.error.none([&] { run(stage, s, range, t.epoch, labels, work); }))
                t.broken.store(true, std::memory_order_relaxed);
        };
        if (steals)
            units.work(thread, [&](size_t first, size_t last) {
                go({0, s.panels, {int(first), t.count * int(t.UNITS), int(last - first)}});
            });
        else
            in_chunks(now ? Range{0, s.panels, {thread, t.count}} : panels_for(s, thread), now ? t.chunks : 1,
                      now ? 1 : t.chunks, go);
    }
    t.barrier.wait();
    if (t.halted.load(std::memory_order_relaxed)) {
        if (thread == 0) undo(t);
        return false;
    }
    return !t.broken.load(std::memory_order_relaxed);
}

// Whether the rest of a step is left out because of a signal, which one thread looks for.
template <class T> bool Program<T>::halts(Training& t, int thread) {
    if (t.chunks > 1 && thread == 0 && !t.halted.load(std::memory_order_relaxed) && t.interrupted())
        t.halted.store(true, std::memory_order_relaxed);
    return t.halted.load(std::memory_order_relaxed);
}

// What a step changes before it is completed.
template <class T> void Program<T>::remember(Training& t) {
    t.states_before.clear();
    for (const auto& [state, size] : states) t.states_before.insert(t.states_before.end(), state, state + size);
    t.parameters_before.clear();
    if (!t.undoes) return;
    for (const T* array : {updater.parameters, updater.state1, updater.state2})
        if (array) t.parameters_before.insert(t.parameters_before.end(), array, array + updater.num_parameters);
}

template <class T> void Program<T>::undo(Training& t) {
    if (t.states_before.empty() && !t.undoes) return;  // nothing was changed
    auto state_before = t.states_before.begin();
    for (const auto& [state, size] : states) {
        std::copy_n(state_before, size, state);
        state_before += std::ptrdiff_t(size);
    }
    if (!t.undoes) return;
    auto before = t.parameters_before.begin();
    for (T* array : {updater.parameters, updater.state1, updater.state2})
        if (array) {
            std::copy_n(before, updater.num_parameters, array);
            before += std::ptrdiff_t(updater.num_parameters);
        }
}

// Gradients of parameters and the optimizer. Returns whether to go on.
template <class T> bool Program<T>::update_parameters(Training& t, const Step& s, int thread) {
    Workspace<T>& work = *workspaces_[size_t(thread)];
    t.tasks.work(thread, [&](size_t i, size_t) {
        if (t.undoes && halts(t, thread)) return;
        const Task& task = tasks_[i];
        const bool done = t.error.none([&] { operations[size_t(task.op)]->gradient(s, task, updater, work); });
        if (!done) t.stop.store(true, std::memory_order_relaxed);
    });
    if (t.undoes) {
        t.barrier.wait();
        if (t.halted.load(std::memory_order_relaxed)) {
            if (thread == 0) undo(t);
            return false;
        }
    }
    if (updater.spec.clip_norm > 0) {
        clip(t.barrier, thread, t.count);
        t.barrier.wait();
        for (auto& op : operations) op->begin({thread, t.count});
    }
    if (thread == 0 && t.interrupted()) t.stop.store(true, std::memory_order_relaxed);
    t.barrier.wait();
    return !t.stop.load(std::memory_order_relaxed);
}

// Tasks first .. last are dealt out by their work, neighbours to the same thread: in the next step it finds their
// weights in its cache.
template <class T>
std::pair<size_t, size_t> Program<T>::tasks_for(int thread, int count, size_t first, size_t last) const {
    const std::vector<double>& work = cumulative_work_;
    auto cut = [&](int t) {
        const double until = work[first] + (work[last] - work[first]) * t / count;
        return size_t(
            std::lower_bound(work.begin() + ptrdiff_t(first), work.begin() + ptrdiff_t(last), until * (1 - 1e-12)) -
            work.begin());
    };
    return {thread == 0 ? first : cut(thread), thread + 1 == count ? last : cut(thread + 1)};
}

template <class T> Range Program<T>::panels_for(const Step& s, int thread) const {
    const auto [first, last] = Part{thread, s.threads}.of(s.panels);
    return {first, last, {}};
}

template <class T> bool Program<T>::is_by_feature(const Stage& stage, const Step& s) const {
    if (s.threads == 1 || stage.op == LOSS) return false;
    if (stage.op == GATHER) return is_by_feature(stages_[1], s);  // there is a barrier after it in any case
    const Operation<T>& op = *operations[size_t(stage.op)];
    return stage.backward ? op.backward_by_feature(s, stage.phase) : op.forward_by_feature(s, stage.phase);
}

template <class T> bool Program<T>::steals_work(const Stage& stage) const {
    return stage.op == GATHER || operations[size_t(stage.op)]->in_pieces();
}

template <class T>
void Program<T>::run(const Stage& stage, const Step& s, Range range, const Epoch& epoch, const Labels& labels,
                     Workspace<T>& work) {
    if (stage.op == GATHER) {
        for (size_t i = 0; i < inputs.size(); ++i) gather(s, epoch.data[i], i, labels.order, range);
    } else if (stage.op == LOSS) {
        for (size_t p = range.first; p < range.last; ++p) {
            Sums& sums = sums_.get()[p];
            const bool bad = sums.bad;
            sums = loss.panel(s, labels, output(), p);
            sums.bad |= bad;
        }
    } else if (stage.backward) {
        operations[size_t(stage.op)]->backward(s, range, stage.phase, work);
    } else {
        operations[size_t(stage.op)]->forward(s, range, stage.phase, work);
    }
}

// Features of an input are gathered by panel and feature, indices by panel.
template <class T>
void Program<T>::gather(const Step& s, const Rows& data, size_t input, const int64_t* order, const Range& range) {
    const Value<T>& value = values[size_t(inputs[input])];
    const size_t units = value.is_index ? 1 : (value.cols + FEATURES_AT_A_TIME - 1) / FEATURES_AT_A_TIME;
    each_part(range, units, [&](size_t p, size_t from, size_t to) {
        const int lanes = rows_in<T>(s, p);
        const int64_t* rows = order + p * NR<T>;
        if (value.is_index) {
            gather_index(data, rows, lanes, value, p);
            return;
        }
        const size_t end = std::min(value.cols, to * FEATURES_AT_A_TIME);
        for (size_t first = from * FEATURES_AT_A_TIME, last; first < end; first = last) {
            last = std::min(end, first + FEATURES_PREFETCHED);
            const size_t more = last - first == value.cols ? s.n - p * NR<T> - size_t(lanes) : 0;
            if (value.gathered) gathering_[input]->gather(data, rows, lanes, more, p, first, last);
            else gather_panel<T>(data, rows, lanes, more, first, last, value.panel(p));
        }
    });
}

template <class T>
void Program<T>::gather_index(const Rows& data, const int64_t* rows, int lanes, const Value<T>& value, size_t p) {
    for (int l = 0; l < lanes; ++l) {
        int64_t* to = value.index + (p * NR<T> + size_t(l)) * value.cols;
        std::memcpy(to, static_cast<const int64_t*>(data.data) + size_t(rows[l]) * value.cols,
                    value.cols * sizeof(int64_t));
        for (const auto& op : operations)
            for (size_t k = 0; op->in[0] == &value && k < value.cols; ++k)
                if (to[k] < 0 || size_t(to[k]) >= op->index_limit()) {
                    __atomic_store_n(&sums_.get()[p].bad, true,
                                     __ATOMIC_RELAXED);  // of several inputs, in several threads
                    to[k] = 0;
                }
    }
}

template <class T> Sums Program<T>::total_of(const Step& s, Sums total) const {
    for (size_t p = 0; p < s.panels; ++p) {
        const Sums& sums = sums_.get()[p];
        total.loss += sums.loss;
        total.metric += sums.metric;
        total.weight += sums.weight;
        total.bad |= sums.bad;
    }
    return total;
}

// Gradients are in one array; their norm is summed part by part, so that it is the same for any number of threads.
template <class T> void Program<T>::clip(Barrier& barrier, int thread, int count) {
    const size_t N = updater.num_parameters;
    auto end_of = [&](size_t i) { return std::min(N, (i + 1) * SQUARES_AT_A_TIME); };
    barrier.wait();
    const auto [first, last] = Part{thread, count}.of(norms_.size());
    for (size_t i = first; i < last; ++i) norms_[i] = updater.squared_norm(i * SQUARES_AT_A_TIME, end_of(i));
    barrier.wait();
    double norm = 0;
    for (double part : norms_) norm += part;
    norm = std::sqrt(norm);
    const double factor = norm > updater.spec.clip_norm ? updater.spec.clip_norm / norm : 1.0;
    for (size_t i = first; i < last; ++i) updater.change_all(i * SQUARES_AT_A_TIME, end_of(i), factor);
}

template Result Program<float>::train(const Epoch&, int, const std::function<bool()>&);
template Result Program<double>::train(const Epoch&, int, const std::function<bool()>&);

}  // namespace pysmorch
