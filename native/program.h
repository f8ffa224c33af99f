// A program: a list of operations with their buffers, run for whole epochs without Python.
//
// A step goes through a list of items (gather a batch, operations forward, the loss, operations back). An item is cut among the
// threads by panels or by features (see operation.h); threads meet only where the cut changes. Then each thread takes its share
// of the gradients of parameters, sums each over the whole batch, and changes the parameters at once.
#pragma once
#include <algorithm>
#include <cmath>

#include "losses.h"
#include "operations.h"
#include "threads.h"

namespace pysmorch {

struct Result {
    double loss = 0, metric = 0, weight = 0;
    int64_t rows = 0, failed_batch = -1, steps = 0;
};

// What an epoch, or a part of it, runs on: `order` has the rows of all batches.
struct Epoch {
    std::vector<Rows> data;
    Rows labels;
    const double* weights = nullptr;
    const int64_t* order = nullptr;
    size_t num_rows = 0, batch_size = 1;
    std::vector<double> rates;       // of each step
    int64_t first_step = 0, optimizer_steps = 0;
};

// Products of fewer operations a step than this are done by one thread: two threads meeting a few times a step cost more.
constexpr double WORK_TO_SHARE = 1.5e6;
// In prediction threads are made for one call, which takes as long as this many operations of one of them.
constexpr double WORK_OF_A_THREAD = 1e7;
// Values and gradients of more bytes than this share room; below, they fit the second caches of the cores.
constexpr size_t PLAN_FROM = 4 << 20;
// Bytes between two of them, so that the same place of several is not in the same lines of a cache.
constexpr size_t APART = 320;
// Rows that go through all operations at a time in prediction, and numbers of their largest value.
constexpr size_t ROWS_AT_A_TIME = 192, NUMBERS_AT_A_TIME = ROWS_AT_A_TIME << 10;

template <class T> class Program {
  public:
    std::vector<Value<T>> values;
    std::vector<std::unique_ptr<Operation<T>>> operations;
    std::vector<int> inputs, outputs;  // values that are gathered from the data; the values of the operations, in turn
    Loss<T> loss;
    Updater<T> updater;
    uint64_t seed = 0;

    // Called once, when everything above is set.
    void prepare() {
        std::vector<const Value<T>*> written{&values[size_t(loss.spec.value)]};
        for (size_t i = operations.size(); i-- > 0;) {
            Operation<T>& op = *operations[i];
            for (const Value<T>* v : op.in) {
                const bool before = std::find(written.begin(), written.end(), v) != written.end();
                op.first.push_back(!before);
                written.push_back(v);
            }
        }
        choose_bf16();
        for (int v : inputs) {
            takers_.push_back(taker_of(values[size_t(v)]));
            values[size_t(v)].gathered = takers_.back() != nullptr;
        }
        items_.push_back({GATHER, 0, false});
        for (size_t i = 0; i < operations.size(); ++i)
            for (int phase = 0; phase < operations[i]->forward_phases(); ++phase) items_.push_back({int(i), phase, false});
        items_.push_back({LOSS, 0, false});
        for (size_t i = operations.size(); i-- > 0;)
            for (int phase = 0; operations[i]->out->needs_grad && phase < operations[i]->backward_phases(); ++phase) items_.push_back({int(i), phase, true});
        index_.resize(values.size());
    }

    template <class Interrupted> Result train(const Epoch& epoch, int max_threads, Interrupted&& interrupted) {
        const size_t largest = std::min(epoch.batch_size, epoch.num_rows);
        const int count = threads_for(largest, max_threads);
        reserve(largest, count);
        Result result;
        Barrier barrier(count);
        // An exception (there was no memory) ends the step for all threads; until they meet, they go on.
        FirstError error;
        std::atomic<bool> broken{false}, stop{false};
        Shares pieces[2] = {Shares(count), Shares(count)};   // in turn: threads may still have to do with one when the other is refilled
        Shares tasks(count, 1);
        on_threads(count, [&](int thread) {
            Workspace<T>& work = *workspaces_[size_t(thread)];
            for (auto& op : operations) op->begin({thread, count});
            barrier.wait();
            int turn = 0;
            for (size_t b = 0; b < epoch.rates.size(); ++b) {
                const size_t start = b * epoch.batch_size, n = std::min(epoch.batch_size, epoch.num_rows - start);
                const Step s{n, panels_of(n), seed, epoch.first_step + int64_t(b), count};
                const Labels labels{epoch.labels, epoch.weights, epoch.order + start};
                if (thread == 0) updater.begin(epoch.rates[b], epoch.optimizer_steps + int64_t(b) + 1, b + 1 == epoch.rates.size());
                const auto [first_task, last_task] = tasks_for(thread, count);
                tasks.refill(thread, first_task, last_task);
                bool by_feature = false;
                for (const Item& item : items_) {
                    const bool now = is_by_feature(item, s), in_pieces = now && is_in_pieces(item);
                    if (in_pieces) pieces[turn ^= 1].refill(thread, size_t(thread) * UNITS, size_t(thread + 1) * UNITS);
                    if (now || by_feature || item.meet) barrier.wait();
                    by_feature = now;
                    auto go = [&](const Range& range) {
                        if (!error.none([&] { run(item, s, range, epoch, labels, work); })) broken.store(true, std::memory_order_relaxed);
                    };
                    if (in_pieces) pieces[turn].work(thread, [&](size_t first, size_t last) { go({0, s.panels, {int(first), count * int(UNITS), int(last - first)}}); });
                    else go(now ? Range{0, s.panels, {thread, count}} : panels_for(s, thread));
                }
                barrier.wait();
                if (broken.load(std::memory_order_relaxed)) return;
                Sums total;
                for (size_t p = 0; p < s.panels; ++p) {
                    const Sums& sums = sums_.get()[p];
                    total.loss += sums.loss;
                    total.metric += sums.metric;
                    total.weight += sums.weight;
                    total.bad |= sums.bad;
                }
                const bool failed = total.bad || !std::isfinite(total.loss);
                if (thread == 0) account(result, total, s, failed, b);
                if (failed) return;
                const bool clipped = updater.spec.clip_norm > 0;
                tasks.work(thread, [&](size_t t, size_t) {
                    if (!error.none([&] { operations[size_t(tasks_[t].op)]->gradient(s, tasks_[t], updater, work); }))
                        stop.store(true, std::memory_order_relaxed);
                });
                if (clipped) {
                    clip(barrier, thread, count);
                    barrier.wait();
                    for (auto& op : operations) op->begin({thread, count});
                }
                if (thread == 0 && interrupted()) stop.store(true, std::memory_order_relaxed);
                barrier.wait();
                if (stop.load(std::memory_order_relaxed)) return;
            }
        });
        error.rethrow();
        return result;
    }

    // Outputs (count rows of the loss's input) in prediction mode. Returns whether all data are finite.
    bool predict(const std::vector<Rows>& data, size_t count, T* out, int max_threads) {
        for (auto& op : operations) op->reserve_rows(count);
        size_t largest = 1;
        for (const Value<T>& v : values) largest = std::max(largest, v.cols);
        const size_t most = std::max<size_t>(1, std::min(ROWS_AT_A_TIME, NUMBERS_AT_A_TIME / largest));   // rows of a piece
        const size_t useful = std::min(count, size_t(predict_work(count) / WORK_OF_A_THREAD));
        const int threads = int(std::clamp<size_t>(useful, 1, size_t(std::max(1, max_threads))));
        // As many for each thread, so that nobody waits for the last one.
        const size_t pieces = std::min(count, round_up(std::max<size_t>((count + most - 1) / most, size_t(threads)), size_t(threads)));
        const size_t height = (count + pieces - 1) / pieces;
        while (rooms_.size() < size_t(threads)) rooms_.emplace_back(values.size());
        for (int t = 0; t < threads; ++t)
            for (size_t v = 0; v < values.size(); ++v)
                if (!values[v].is_index) rooms_[size_t(t)].buffers[v].get(height * stride_of(v));
        for (size_t i = 0; i < inputs.size(); ++i) check_indices(data[i], count, values[size_t(inputs[i])]);
        std::atomic<size_t> next{0};
        std::atomic<bool> finite{true};
        Barrier barrier(threads);
        on_threads(threads, [&](int thread) {
            for (auto& op : operations) op->prepare({thread, threads});
            barrier.wait();
            auto& [buffers, rows, in, work] = rooms_[size_t(thread)];
            for (size_t piece; (piece = next.fetch_add(1)) < pieces;) {
                const size_t first = count * piece / pieces, n = count * (piece + 1) / pieces - first;
                for (size_t v = 0; v < values.size(); ++v) rows[v] = {buffers[v].get(), stride_of(v), nullptr};
                for (size_t i = 0; i < inputs.size(); ++i)
                    if (!is_finite(data[i], first, n)) finite.store(false, std::memory_order_relaxed);
                for (size_t i = 0; i < inputs.size(); ++i) enter(data[i], first, n, values[size_t(inputs[i])], rows[size_t(inputs[i])]);
                for (size_t i = 0; i < operations.size(); ++i) {
                    in.clear();
                    for (const Value<T>* v : operations[i]->in) in.push_back(rows[size_t(v - values.data())]);
                    operations[i]->predict(in, rows[size_t(outputs[i])], n, *work);
                }
                const RowsOf<T>& last = rows[size_t(loss.spec.value)];
                const size_t K = values[size_t(loss.spec.value)].cols;
                for (size_t r = 0; r < n; ++r) std::memcpy(out + (first + r) * K, last.data + r * last.stride, K * sizeof(T));
            }
        });
        return finite.load();
    }

    // Bytes that training takes for batches of up to n rows, besides the parameters.
    size_t memory(size_t n, int max_threads) {
        Counting counting;
        const int threads = threads_for(n, max_threads);
        reserve(n, threads);
        return counting.bytes + size_t(threads) * sizeof(Workspace<T>);
    }

    double predict_work(size_t n) const {
        double work = 0;
        for (const auto& op : operations) work += 2.0 * double(n) * op->work();
        return work;
    }

  private:
    struct Item { int op; int phase; bool back; bool meet = false; };   // meet: all threads have to be done with what comes before
    // A value or a gradient, and the items between which it is needed.
    struct Place {
        size_t size = 0;
        int begin = -1, end = -1;
        size_t offset = 0;
        int over = -1;   // another place whose room it takes

        void use(int first, int last) {
            begin = begin < 0 ? first : std::min(begin, first);
            end = std::max(end, last);
        }
    };
    // What a thread needs to predict some rows.
    struct Room {
        std::vector<Buffer<T>> buffers;
        std::vector<RowsOf<T>> rows, in;
        std::unique_ptr<Workspace<T>> work = std::make_unique<Workspace<T>>();
        explicit Room(size_t values) : buffers(values), rows(values) { in.reserve(values * 2 + 16); }
    };
    static constexpr int GATHER = -1, LOSS = -2;
    static constexpr size_t FEATURES_AT_A_TIME = 64, FEATURES_AHEAD = 1024;   // pieces of a row; what some rows have in the second cache
    static constexpr size_t UNITS = 32;     // that a thread's share of work by feature is cut into
    static constexpr size_t PIECE = 4096;   // parameters whose squares are summed in one go

    static size_t panels_of(size_t n) { return (n + WIDE<T> - 1) / WIDE<T>; }
    size_t stride_of(size_t v) const { return round_up(values[v].cols, WIDE<T>); }

    int threads_for(size_t n, int max_threads) const {
        double work = 0;
        for (const auto& op : operations) work += 6.0 * double(n) * op->work();
        return work < WORK_TO_SHARE ? 1 : std::max(1, max_threads);
    }
    // The operation that takes rows of the data instead of an input.
    Operation<T>* taker_of(const Value<T>& value) const {
        Operation<T>* found = nullptr;
        for (const auto& op : operations)
            for (const Value<T>* v : op->in) {
                if (v != &value) continue;
                if (found || !op->gathers()) return nullptr;
                found = op.get();
            }
        return &value == &values[size_t(loss.spec.value)] ? nullptr : found;
    }
    // Values are kept as bfloat16 where all operations that have to do with them can take that.
    void choose_bf16() {
        using Takes = typename Operation<T>::Bf16Values;
        for (Value<T>& v : values) v.bf16 = true;
        for (int v : inputs) values[size_t(v)].bf16 = false;
        values[size_t(loss.spec.value)].bf16 = false;
        for (bool changed = true; changed;) {
            changed = false;
            for (const auto& op : operations) {
                std::vector<Value<T>*> all = op->in;
                all.push_back(op->out);
                const bool none = op->takes_bf16() == Takes::never ||
                                  (op->takes_bf16() == Takes::together && !std::all_of(all.begin(), all.end(), [](const Value<T>* v) { return v->bf16; }));
                for (Value<T>* v : all) {
                    changed |= none && v->bf16;
                    v->bf16 &= !none;
                }
            }
        }
    }
    // Where values and gradients lie in one array. What is not needed any more makes room for others, unless all together are small:
    // then threads would only wait for each other.
    size_t plan(size_t panels) {
        const size_t count = values.size();
        const int end = int(items_.size()), at_loss = position(LOSS, false).first;
        places_.assign(2 * count, {});   // values, then gradients
        auto value = [&](const Value<T>* v) -> Place& { return places_[size_t(v - values.data())]; };
        auto grad = [&](const Value<T>* v) -> Place& { return places_[count + size_t(v - values.data())]; };
        size_t all = 0;
        for (size_t v = 0; v < count; ++v) {
            const size_t numbers = panels * values[v].cols * WIDE<T>, kept = values[v].bf16 ? numbers / 2 : numbers;
            const size_t size = round_up(kept, 64 / sizeof(T)) + APART / sizeof(T);
            if (!values[v].is_index && !values[v].gathered) places_[v].size = size;
            if (values[v].needs_grad) places_[count + v].size = size;
            all += places_[v].size + places_[count + v].size;
            if (all > (size_t(1) << 60)) throw std::bad_alloc();   // before it is too large for a number
        }
        for (int v : inputs) value(&values[size_t(v)]).use(0, 0);
        value(&values[size_t(loss.spec.value)]).use(at_loss, at_loss);
        grad(&values[size_t(loss.spec.value)]).use(at_loss, at_loss);
        std::vector<Task> tasks;
        const Step s{panels * WIDE<T>, panels, seed, 0, 1};
        for (size_t i = operations.size(); i-- > 0;) {
            Operation<T>& op = *operations[i];
            const auto [first, last] = position(int(i), false);
            const auto [first_back, last_back] = position(int(i), true);
            const size_t before = tasks.size();
            op.add_tasks(s, tasks);
            const bool kept = tasks.size() > before && op.gradient_reads_values();
            const int until = kept ? end : std::max(last, last_back);
            value(op.out).use(first, until);
            if (op.out->needs_grad) grad(op.out).use(first_back, kept ? end : last_back);
            for (size_t k = 0; k < op.in.size(); ++k) {
                value(op.in[k]).use(first, until);
                if (!op.in[k]->needs_grad) continue;
                grad(op.in[k]).use(first_back, last_back);
                const bool over = op.hands_back_in_place() && k + 1 == op.in.size() && op.first[k] && !kept && op.in[k]->cols == op.out->cols && op.in[k]->bf16 == op.out->bf16;
                if (over && all * sizeof(T) > PLAN_FROM) grad(op.in[k]).over = int(count + size_t(op.out - values.data()));
            }
        }
        for (Item& item : items_) item.meet = false;
        if (all * sizeof(T) <= PLAN_FROM) {
            size_t offset = 0;
            for (Place& p : places_) {
                p.offset = offset;
                offset += p.size;
            }
            return offset;
        }
        return fit();
    }

    // The first gap that is free for as long as a place is needed, for one place after the other.
    size_t fit() {
        std::vector<int> order, root(places_.size());
        for (size_t i = 0; i < places_.size(); ++i) {
            int r = int(i);
            while (places_[size_t(r)].over >= 0) r = places_[size_t(r)].over;
            root[i] = r;
            if (r != int(i)) places_[size_t(r)].use(places_[i].begin, places_[i].end);
        }
        for (size_t i = 0; i < places_.size(); ++i)
            if (root[i] == int(i) && places_[i].size > 0) order.push_back(int(i));
        std::sort(order.begin(), order.end(), [&](int a, int b) {
            const Place &p = places_[size_t(a)], &q = places_[size_t(b)];
            return p.begin != q.begin ? p.begin < q.begin : p.size != q.size ? p.size > q.size : a < b;
        });
        std::vector<const Place*> placed;   // by offset
        size_t total = 0;
        for (int i : order) {
            Place& p = places_[size_t(i)];
            size_t offset = 0;
            for (const Place* q : placed) {
                if (q->end < p.begin || q->begin > p.end) continue;
                if (offset + p.size <= q->offset) break;
                offset = std::max(offset, q->offset + q->size);
            }
            p.offset = offset;
            total = std::max(total, offset + p.size);
            for (const Place* q : placed)
                if (q->end < p.begin && q->offset < offset + p.size && offset < q->offset + q->size) items_[size_t(p.begin)].meet = true;
            placed.insert(std::upper_bound(placed.begin(), placed.end(), &p, [](const Place* a, const Place* b) { return a->offset < b->offset; }), &p);
        }
        for (size_t i = 0; i < places_.size(); ++i) places_[i].offset = places_[size_t(root[i])].offset;
        return total;
    }
    std::pair<int, int> position(int op, bool back) const {
        std::pair<int, int> found{-1, -1};
        for (size_t i = 0; i < items_.size(); ++i)
            if (items_[i].op == op && items_[i].back == back) {
                if (found.first < 0) found.first = int(i);
                found.second = int(i);
            }
        return found;
    }

    void reserve(size_t n, int threads) {
        const size_t panels = panels_of(n);
        T* all = room_.get(plan(panels));
        for (size_t v = 0; v < values.size(); ++v) {
            Value<T>& value = values[v];
            if (value.is_index) value.index = index_[v].get(n * value.cols);
            else value.data = all + places_[v].offset;
            if (value.needs_grad) value.grad = all + places_[values.size() + v].offset;
        }
        std::fill_n(sums_.get(panels), Counting::current() ? 0 : panels, Sums{});
        loss.reserve(values[size_t(loss.spec.value)].cols, panels);
        for (auto& op : operations) op->reserve(panels);
        while (workspaces_.size() < size_t(threads)) workspaces_.push_back(std::make_unique<Workspace<T>>());
        norms_.assign((updater.num_parameters + PIECE - 1) / PIECE, 0.0);
        tasks_.clear();
        const Step s{n, panels, seed, 0, threads};
        for (size_t i = 0; i < operations.size(); ++i) {
            const size_t before = tasks_.size();
            operations[i]->add_tasks(s, tasks_);
            for (size_t t = before; t < tasks_.size(); ++t) tasks_[t].op = int(i);
        }
        upto_.assign(1, 0.0);
        for (const Task& task : tasks_) upto_.push_back(upto_.back() + task.work);
    }

    // Tasks are dealt out by their work, neighbours to the same thread: in the next step it finds their weights in its cache.
    std::pair<size_t, size_t> tasks_for(int thread, int count) const {
        auto cut = [&](int t) {
            const double work = upto_.back() * t / count;
            return size_t(std::lower_bound(upto_.begin(), upto_.end() - 1, work * (1 - 1e-12)) - upto_.begin());
        };
        return {thread == 0 ? 0 : cut(thread), thread + 1 == count ? tasks_.size() : cut(thread + 1)};
    }

    Range panels_for(const Step& s, int thread) const {
        const auto [first, last] = Part{thread, s.threads}.of(s.panels);
        return {first, last, {}};
    }
    bool is_by_feature(const Item& item, const Step& s) const {
        if (s.threads == 1 || item.op == LOSS) return false;
        if (item.op == GATHER) return is_by_feature(items_[1], s);   // threads meet behind it in any case
        const Operation<T>& op = *operations[size_t(item.op)];
        return item.back ? op.backward_by_feature(s, item.phase) : op.forward_by_feature(s, item.phase);
    }

    bool is_in_pieces(const Item& item) const { return item.op == GATHER || operations[size_t(item.op)]->in_pieces(); }

    void run(const Item& item, const Step& s, Range range, const Epoch& epoch, const Labels& labels, Workspace<T>& work) {
        if (item.op == GATHER) {
            for (size_t i = 0; i < inputs.size(); ++i) gather(s, epoch.data[i], i, labels.order, range);
        } else if (item.op == LOSS) {
            for (size_t p = range.first; p < range.last; ++p) {
                Sums& sums = sums_.get()[p];
                const bool bad = sums.bad;
                sums = loss.panel(s, labels, values[size_t(loss.spec.value)], p);
                sums.bad |= bad;
            }
        } else if (item.back) {
            operations[size_t(item.op)]->backward(s, range, item.phase, work);
        } else {
            operations[size_t(item.op)]->forward(s, range, item.phase, work);
        }
    }

    // Numbers of an input come by panel and features, indices by panel.
    void gather(const Step& s, const Rows& data, size_t input, const int64_t* order, const Range& range) {
        const Value<T>& value = values[size_t(inputs[input])];
        const size_t units = value.is_index ? 1 : (value.cols + FEATURES_AT_A_TIME - 1) / FEATURES_AT_A_TIME;
        each_part(range, units, [&](size_t p, size_t from, size_t to) {
            const int lanes = rows_in<T>(s, p);
            const int64_t* rows = order + p * WIDE<T>;
            if (value.is_index) {
                gather_index(data, rows, lanes, value, p);
                return;
            }
            const size_t end = std::min(value.cols, to * FEATURES_AT_A_TIME);
            for (size_t first = from * FEATURES_AT_A_TIME, last; first < end; first = last) {
                last = std::min(end, first + FEATURES_AHEAD);
                const size_t more = last - first == value.cols ? s.n - p * WIDE<T> - size_t(lanes) : 0;
                if (value.gathered) takers_[input]->gather(data, rows, lanes, more, p, first, last);
                else gather_panel<T>(data, rows, lanes, more, first, last, value.panel(p));
            }
        });
    }
    void gather_index(const Rows& data, const int64_t* rows, int lanes, const Value<T>& value, size_t p) {
        for (int l = 0; l < lanes; ++l) {
            int64_t* to = value.index + (p * WIDE<T> + size_t(l)) * value.cols;
            std::memcpy(to, static_cast<const int64_t*>(data.data) + size_t(rows[l]) * value.cols, value.cols * sizeof(int64_t));
            for (const auto& op : operations)
                for (size_t k = 0; op->in[0] == &value && k < value.cols; ++k)
                    if (to[k] < 0 || size_t(to[k]) >= op->index_limit()) {
                        __atomic_store_n(&sums_.get()[p].bad, true, __ATOMIC_RELAXED);   // of several inputs, in several threads
                        to[k] = 0;
                    }
        }
    }

    void account(Result& result, const Sums& total, const Step& s, bool failed, size_t b) const {
        if (failed) {
            result.failed_batch = int64_t(b);
            return;
        }
        result.loss += total.loss;
        result.metric += total.metric;
        result.weight += total.weight;
        result.rows += int64_t(s.n);
        result.steps += 1;
    }

    // Gradients lie in one array; their norm is summed piece by piece, so that it is the same for any number of threads.
    void clip(Barrier& barrier, int thread, int count) {
        const size_t N = updater.num_parameters, pieces = norms_.size();
        barrier.wait();
        const auto [first, last] = Part{thread, count}.of(pieces);
        for (size_t i = first; i < last; ++i) norms_[i] = updater.squared_norm(i * PIECE, std::min(N, (i + 1) * PIECE));
        barrier.wait();
        double norm = 0;
        for (double part : norms_) norm += part;
        norm = std::sqrt(norm);
        const double factor = norm > updater.spec.clip_norm ? updater.spec.clip_norm / norm : 1.0;
        for (size_t i = first; i < last; ++i) updater.change_all(i * PIECE, std::min(N, (i + 1) * PIECE), factor);
    }

    void check_indices(const Rows& data, size_t count, const Value<T>& value) const {
        for (const auto& op : operations)
            for (size_t i = 0; value.is_index && op->in[0] == &value && i < count * value.cols; ++i) {
                const int64_t index = static_cast<const int64_t*>(data.data)[i];
                if (index < 0 || size_t(index) >= op->index_limit()) throw std::out_of_range("an index is out of range");
            }
    }

    void enter(const Rows& data, size_t first, size_t n, const Value<T>& value, RowsOf<T>& rows) const {
        if (value.is_index) {
            rows.index = static_cast<const int64_t*>(data.data) + first * value.cols;
            return;
        }
        constexpr Dtype own = sizeof(T) == 4 ? Dtype::f32 : Dtype::f64;
        if (data.dtype == own) {   // in place
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

    std::vector<Item> items_;
    std::vector<Operation<T>*> takers_;   // by input, or null
    std::vector<Task> tasks_;
    std::vector<double> upto_, norms_;
    Buffer<Sums> sums_;
    std::vector<std::unique_ptr<Workspace<T>>> workspaces_;
    std::vector<Place> places_;
    Buffer<T> room_;
    std::vector<Buffer<int64_t>> index_;
    std::vector<Room> rooms_;
};

}  // namespace pysmorch
