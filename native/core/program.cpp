#include "core/program.h"

#include <algorithm>

namespace pysmorch {

namespace {

// A step of fewer multiply-adds than this is done by one thread: a few barriers a step cost more.
constexpr double WORK_TO_SHARE = 1.5e6;
// Values and gradients of more bytes than this reuse memory; below, they fit the L2 caches of the cores.
constexpr size_t REUSE_FROM = 4 << 20;
// Bytes of padding between two buffers, which stagger their addresses: equal indices of several are in different cache
// sets.
constexpr size_t PADDING = 320;

}  // namespace

template <class T> void Program<T>::prepare() {
    fuse_operations();
    choose_overwriting();
    choose_bf16();
    for (int v : inputs) {
        gathering_.push_back(gathering_operation(values[size_t(v)]));
        values[size_t(v)].gathered = gathering_.back() != nullptr;
    }
    stages_.push_back({GATHER, 0, false});
    for (size_t i = 0; i < operations.size(); ++i)
        for (int phase = 0; phase < operations[i]->forward_phases(); ++phase) stages_.push_back({int(i), phase, false});
    stages_.push_back({LOSS, 0, false});
    for (size_t i = operations.size(); i-- > 0;) {
        const int phases = operations[i]->out->needs_grad ? operations[i]->backward_phases() : 0;
        for (int phase = 0; phase < phases; ++phase) stages_.push_back({int(i), phase, true});
    }
    index_.resize(values.size());
    place_sums();
}

// The value between two operations of which one includes the other is no more.
template <class T> void Program<T>::fuse_operations() {
    for (size_t i = 0; i < operations.size(); ++i) {
        Value<T>* between = operations[i]->out;
        std::vector<size_t> readers;
        for (size_t k = i + 1; k < operations.size(); ++k)
            for (const Value<T>* v : operations[k]->in)
                if (v == between) readers.push_back(k);
        if (readers.size() != 1 || between == &output()) continue;
        const size_t next = readers[0];
        Value<T>* const out = operations[next]->out;
        if (!operations[i]->fuse(operations[next])) continue;
        operations[i]->out = out;
        outputs[i] = outputs[next];
        operations.erase(operations.begin() + ptrdiff_t(next));
        outputs.erase(outputs.begin() + ptrdiff_t(next));
        *between = {};
    }
}

// The first operation in the backward pass that computes a gradient of a value overwrites it, later ones accumulate.
template <class T> void Program<T>::choose_overwriting() {
    std::vector<const Value<T>*> written{&output()};
    for (size_t i = operations.size(); i-- > 0;) {
        Operation<T>& op = *operations[i];
        for (const Value<T>* v : op.in) {
            op.overwrite.push_back(std::find(written.begin(), written.end(), v) == written.end());
            written.push_back(v);
        }
    }
}

// Values are stored as bfloat16 where all operations that read or write them can take that.
template <class T> void Program<T>::choose_bf16() {
    using Takes = typename Operation<T>::Bf16Values;
    for (Value<T>& v : values) v.bf16 = true;
    for (int v : inputs) values[size_t(v)].bf16 = false;
    values[size_t(loss.spec.value)].bf16 = false;
    for (bool changed = true; changed;) {
        changed = false;
        for (const auto& op : operations) {
            std::vector<Value<T>*> all = op->in;
            all.push_back(op->out);
            const bool every = std::all_of(all.begin(), all.end(), [](const Value<T>* v) { return v->bf16; });
            const Takes takes = op->takes_bf16();
            if (takes == Takes::each || (takes == Takes::together && every)) continue;
            for (Value<T>* v : all) {
                changed |= v->bf16;
                v->bf16 = false;
            }
        }
    }
}

// The operation that gathers an input itself, because no other one reads it.
template <class T> Operation<T>* Program<T>::gathering_operation(const Value<T>& value) const {
    Operation<T>* found = nullptr;
    for (const auto& op : operations)
        for (const Value<T>* v : op->in) {
            if (v != &value) continue;
            if (found || !op->gathers()) return nullptr;
            found = op.get();
        }
    return &value == &output() ? nullptr : found;
}

template <class T> size_t Program<T>::memory(size_t n, int max_threads) {
    DryRun dry_run;
    const int threads = threads_for(n, max_threads);
    reserve(step_of(n, 0, threads));
    return dry_run.bytes + size_t(threads) * sizeof(Workspace<T>);
}

template <class T> double Program<T>::step_work(size_t n) const {
    double work = 0;
    for (const auto& op : operations) work += 6.0 * double(n) * op->work();
    return work;
}

template <class T> int Program<T>::threads_for(size_t n, int max_threads) const {
    return step_work(n) < WORK_TO_SHARE ? 1 : std::max(1, max_threads);
}

template <class T> void Program<T>::reserve(const Step& s) {
    const size_t panels = s.panels;
    T* arena = arena_.get(plan(panels));
    for (size_t v = 0; v < values.size(); ++v) {
        Value<T>& value = values[v];
        if (value.is_index) value.index = index_[v].get(s.n * value.cols);
        else value.data = arena + live_buffers_[v].offset;
        if (value.needs_grad) value.grad = arena + live_buffers_[values.size() + v].offset;
    }
    std::fill_n(sums_.get(panels), DryRun::current() ? 0 : panels, Sums{});
    loss.reserve(output().cols, panels);
    for (auto& op : operations) {
        op->reserve(panels);
        op->reserve_moments(s.total_panels);
    }
    while (workspaces_.size() < size_t(s.threads)) workspaces_.push_back(std::make_unique<Workspace<T>>());
    norms_.assign((updater.num_parameters + SQUARES_AT_A_TIME - 1) / SQUARES_AT_A_TIME, 0.0);
    reserve_tasks(s);
}

template <class T> void Program<T>::reserve_tasks(const Step& s) {
    tasks_.clear();
    for (size_t i = 0; i < operations.size(); ++i) {
        const size_t before = tasks_.size();
        operations[i]->add_tasks(s, tasks_);
        for (size_t t = before; t < tasks_.size(); ++t) tasks_[t].op = int(i);
    }
    cumulative_work_.assign(1, 0.0);
    for (const Task& task : tasks_) cumulative_work_.push_back(cumulative_work_.back() + task.work);
}

// Offsets of values and gradients in one array. Buffers whose live ranges do not overlap share memory, unless all
// together are small: then threads would only wait for each other.
template <class T> size_t Program<T>::plan(size_t panels) {
    const bool reuse = size_buffers(panels) * sizeof(T) > REUSE_FROM;
    find_live_ranges(panels, reuse);
    needs_barrier_.assign(stages_.size(), false);
    return reuse ? assign_with_reuse(live_buffers_, needs_barrier_) : assign_in_order(live_buffers_);
}

template <class T> size_t Program<T>::size_buffers(size_t panels) {
    const size_t count = values.size();
    live_buffers_.assign(2 * count, {});
    size_t all = 0;
    for (size_t v = 0; v < count; ++v) {
        const size_t numbers = panels * values[v].cols * NR<T>, stored = values[v].bf16 ? numbers / 2 : numbers;
        const size_t size = round_up(stored, 64 / sizeof(T)) + PADDING / sizeof(T);
        if (values[v].cols == 0) continue;
        if (!values[v].is_index && !values[v].gathered) live_buffers_[v].size = size;
        if (values[v].needs_grad) live_buffers_[count + v].size = size;
        all += live_buffers_[v].size + live_buffers_[count + v].size;
        if (all > (size_t(1) << 60)) throw std::bad_alloc();  // before it overflows
    }
    return all;
}

template <class T> void Program<T>::find_live_ranges(size_t panels, bool reuse) {
    const int end = int(stages_.size()), at_loss = stages_of(LOSS, false).first;
    auto index = [&](const Value<T>* v) { return size_t(v - values.data()); };
    auto value = [&](const Value<T>* v) -> LiveBuffer& { return live_buffers_[index(v)]; };
    auto grad = [&](const Value<T>* v) -> LiveBuffer& { return live_buffers_[values.size() + index(v)]; };
    for (int v : inputs) value(&values[size_t(v)]).use(0, 0);
    value(&output()).use(at_loss, at_loss);
    grad(&output()).use(at_loss, at_loss);
    const Step s = step_of(panels * NR<T>, 0, 1);
    for (size_t i = operations.size(); i-- > 0;) {
        Operation<T>& op = *operations[i];
        const auto [first, last] = stages_of(int(i), false);
        const auto [first_backward, last_backward] = stages_of(int(i), true);
        std::vector<Task> tasks;
        op.add_tasks(s, tasks);
        const bool to_the_end = !tasks.empty() && op.gradient_reads_values();
        const int until = to_the_end ? end : std::max(last, last_backward);
        value(op.out).use(first, until);
        if (op.out->needs_grad) grad(op.out).use(first_backward, to_the_end ? end : last_backward);
        for (size_t k = 0; k < op.in.size(); ++k) {
            const Value<T>* v = op.in[k];
            value(v).use(first, until);
            if (!v->needs_grad) continue;
            grad(v).use(first_backward, last_backward);
            const bool alike = v->cols == op.out->cols && v->bf16 == op.out->bf16;
            const bool in_position =
                op.gradient_in_position() && k + 1 == op.in.size() && op.overwrite[k] && !to_the_end && alike;
            if (in_position && reuse) grad(v).alias = int(values.size() + index(op.out));
        }
    }
}

template <class T> std::pair<int, int> Program<T>::stages_of(int op, bool backward) const {
    std::pair<int, int> found{-1, -1};
    for (size_t i = 0; i < stages_.size(); ++i)
        if (stages_[i].op == op && stages_[i].backward == backward) {
            if (found.first < 0) found.first = int(i);
            found.second = int(i);
        }
    return found;
}

template class Program<float>;
template class Program<double>;

}  // namespace pysmorch
