// Gradients of a batch that comes in shards. Sums over the rows go on from where the shard before ended, in the order
// in which a whole batch is summed, so that the step has the same bits for any number of shards.
#include <cmath>
#include <tuple>

#include "core/training.h"

namespace pysmorch {

namespace {

constexpr size_t LOSS_SUMS = 4;  // loss, metric, weight, rows

}  // namespace

template <class T> void Program<T>::place_sums() {
    num_sums_ = 0;
    num_wide_sums_ = LOSS_SUMS;
    for (auto& op : operations) {
        op->sums_offset = num_sums_;
        op->wide_offset = num_wide_sums_;
        num_sums_ += op->num_sums();
        num_wide_sums_ += op->num_wide_sums();
    }
}

template <class T> std::vector<std::pair<size_t, size_t>> Program<T>::sum_offsets() const {
    std::vector<std::pair<size_t, size_t>> offsets;
    for (const auto& op : operations) offsets.push_back({op->sums_offset, op->wide_offset});
    return offsets;
}

template <class T> Step Program<T>::step_of_shard(int threads) const {
    Step s = step_of(shard_.num_rows, shard_.first_step, threads);
    s.dropout_rates = &shard_.dropout_rates;
    s.total = shard_.total;
    s.total_panels = panels_of(shard_.total);
    s.first_panel = shard_.first_row / NR<T>;
    s.is_shard = true;
    return s;
}

template <class T> void Program<T>::begin_shard(Epoch shard, int max_threads) {
    shard_ = std::move(shard);
    next_stage_ = 0;
    awaits_ = false;
    Step s = step_of_shard(threads_for(shard_.num_rows, max_threads));
    s.n = std::max<size_t>(s.n, 1);  // there is always something to reserve
    s.panels = panels_of(s.n);
    reserve(s);
}

// Whether numbers of all shards are needed after a stage.
template <class T> bool Program<T>::awaits_moments(size_t stage) const {
    const Stage& done = stages_[stage];
    return done.op >= 0 && done.phase == 0 && operations[size_t(done.op)]->has_moments();
}

template <class T> typename Operation<T>::Moments Program<T>::moments() const {
    return operations[size_t(stages_[next_stage_ - 1].op)]->moments(step_of_shard(1));
}

template <class T>
typename Program<T>::ShardState Program<T>::run_shard(int max_threads, const std::function<bool()>& interrupted) {
    const size_t n = shard_.num_rows;
    const int count = threads_for(n, max_threads);
    const Step s = step_of_shard(count);
    const Labels labels{shard_.labels, shard_.weights, shard_.order.data()};
    while (next_stage_ < stages_.size()) {
        const size_t first = next_stage_;
        if (awaits_) operations[size_t(stages_[first - 1].op)]->take_moments(s, stages_[first - 1].backward);
        size_t last = first;
        while (last < stages_.size() && !awaits_moments(last)) ++last;
        awaits_ = last < stages_.size();
        last += awaits_;
        if (n > 0) {
            Training t(shard_, interrupted, count, chunks_of(interruptible_work(n) / count), false);
            on_threads(count, [&](int thread) {
                const SubnormalsToZero flushing;
                if (first == 0) {
                    for (auto& op : operations) op->begin({thread, t.count});
                    t.barrier.wait();
                }
                run_stages(t, s, labels, thread, first, last);
            });
            t.error.rethrow();
            if (t.halted.load()) return ShardState::interrupted;
        }
        next_stage_ = last;
        if (awaits_) return ShardState::waits;
    }
    if (awaits_) operations[size_t(stages_.back().op)]->take_moments(s, stages_.back().backward);
    awaits_ = false;
    const Sums total = total_of(s, {});
    return total.bad || !std::isfinite(total.loss) ? ShardState::failed : ShardState::complete;
}

// The loss, the metric, the weights and the rows of the shard are added to those of the rows before. Returns whether
// the loss is finite.
template <class T> bool Program<T>::add_loss(const Step& s, bool resumes) {
    double* const to = updater.wide_sums;
    Sums total;
    if (resumes) std::tie(total.loss, total.metric, total.weight) = std::tie(to[0], to[1], to[2]);
    total = total_of(s, total);
    std::tie(to[0], to[1], to[2]) = std::tie(total.loss, total.metric, total.weight);
    to[3] = (resumes ? to[3] : 0) + double(s.n);
    return std::isfinite(total.loss);
}

// Sums of operations first .. last without any rows.
template <class T> void Program<T>::clear_sums(size_t first, size_t last) {
    if (first == last) return;
    const bool to_the_end = last == operations.size();
    std::fill(updater.sums_at(operations[first]->sums_offset),
              updater.sums_at(to_the_end ? num_sums_ : operations[last]->sums_offset), T(0));
    std::fill(updater.wide_sums_at(operations[first]->wide_offset),
              updater.wide_sums_at(to_the_end ? num_wide_sums_ : operations[last]->wide_offset), 0.0);
}

template <class T> bool Program<T>::add_shard(size_t first, size_t last, bool resumes, int max_threads) {
    const int count = threads_for(shard_.num_rows, max_threads);
    const Step s = step_of_shard(count);
    const bool finite = first > 0 || add_loss(s, resumes);
    if (s.n == 0) {
        if (!resumes) clear_sums(first, last);
        return finite;
    }
    const auto first_task_of = [&](size_t op) {
        const auto found = std::lower_bound(tasks_.begin(), tasks_.end(), op,
                                            [](const Task& task, size_t i) { return size_t(task.op) < i; });
        return size_t(found - tasks_.begin());
    };
    updater.holds = true;
    updater.resumes = resumes;
    const std::function<bool()> never = [] { return false; };
    Training t(shard_, never, count, 1, false);
    on_threads(count, [&](int thread) {
        const SubnormalsToZero flushing;
        const auto [from, to] = tasks_for(thread, count, first_task_of(first), first_task_of(last));
        t.tasks.assign(thread, from, to);
        t.barrier.wait();
        Workspace<T>& work = *workspaces_[size_t(thread)];
        t.tasks.work(thread, [&](size_t i, size_t) {
            t.error.none([&] { operations[size_t(tasks_[i].op)]->gradient(s, tasks_[i], updater, work); });
        });
    });
    t.error.rethrow();
    return finite;
}

template <class T>
bool Program<T>::apply_sums(double rate, double decay, int64_t optimizer_steps, bool keep, SumsOf of, int max_threads) {
    const int count = threads_for(shard_.total, max_threads);
    Step s = step_of_shard(count);
    if (of == SumsOf::all_rows) {
        s.n = s.panels = 0;
        reserve_tasks(s);
    } else if (!add_loss(s, of == SumsOf::rows_before)) {
        return false;
    }
    while (workspaces_.size() < size_t(count)) workspaces_.push_back(std::make_unique<Workspace<T>>());
    updater.begin(rate, decay, optimizer_steps + 1, keep);
    updater.holds = false;
    updater.resumes = of != SumsOf::no_rows;
    const std::function<bool()> never = [] { return false; };
    Training t(shard_, never, count, 1, false);
    on_threads(count, [&](int thread) {
        const SubnormalsToZero flushing;
        const auto [first, last] = tasks_for(thread, count, 0, tasks_.size());
        t.tasks.assign(thread, first, last);
        t.barrier.wait();
        update_parameters(t, s, thread);
    });
    updater.resumes = false;
    t.error.rethrow();
    for (auto& op : operations) op->end_step();
    return true;
}

#define SHARDS_OF(T)                                                                          \
    template std::vector<std::pair<size_t, size_t>> Program<T>::sum_offsets() const;          \
    template void Program<T>::place_sums();                                                   \
    template void Program<T>::begin_shard(Epoch, int);                                        \
    template typename Operation<T>::Moments Program<T>::moments() const;                      \
    template Program<T>::ShardState Program<T>::run_shard(int, const std::function<bool()>&); \
    template bool Program<T>::add_shard(size_t, size_t, bool, int);                           \
    template bool Program<T>::apply_sums(double, double, int64_t, bool, SumsOf, int);
SHARDS_OF(float)
SHARDS_OF(double)
#undef SHARDS_OF

}  // namespace pysmorch
