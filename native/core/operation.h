// What an operation is: it reads values, makes one, computes gradients of its inputs, and may have parameters.
//
// While a network is trained, values are stored in panels (see product.h), one after the other. Work on a step is cut
// in one of two ways: by panels, where a thread has some rows with all their features, or by features, where it has
// some features with all their rows. Whichever way, each number is computed from the same numbers in the same order, so
// that the number of threads changes who does what, and nothing else. For prediction values are plain rows.
#pragma once
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/buffer.h"
#include "core/data.h"
#include "core/description.h"
#include "kernels/product.h"
#include "training/optimizers.h"

namespace pysmorch {

// What flows between operations: `cols` features a row. Indices are stored row by row.
template <class T> struct Value {
    std::vector<size_t> shape;  // of one row of the batch
    size_t cols = 0;            // its size
    bool needs_grad = false;
    bool is_index = false;
    bool bf16 = false;      // whether numbers are stored as bfloat16: `with_storage` says where
    bool gathered = false;  // whether its operation takes rows of the data instead (see Operation::gathers)
    T* data = nullptr;
    T* grad = nullptr;
    int64_t* index = nullptr;

    T* panel(size_t p) const { return data + p * cols * NR<T>; }
    T* grad_panel(size_t p) const { return grad + p * cols * NR<T>; }
};

// Calls f with the numbers and the gradient of a value as what they are stored as: an operation that says so (see
// Operation::takes_bf16) has them as T or as bfloat16.
template <class T, class F> inline void with_storage(const Value<T>& v, F f) {
#ifdef PYSMORCH_BF16
    if constexpr (std::is_same_v<T, float>)
        if (v.bf16) {
            f(reinterpret_cast<Bf16*>(v.data), reinterpret_cast<Bf16*>(v.grad));
            return;
        }
#endif
    f(v.data, v.grad);
}

// The rate of a Dropout, by its RNG stream, in each step of a call.
using DropoutRates = std::pair<int, std::vector<double>>;

// One step, as operations see it.
struct Step {
    size_t n = 0;  // rows of the batch
    size_t panels = 0;
    uint64_t seed = 0;
    int64_t number = 0;  // of the step, which random numbers depend on
    int threads = 1;
    size_t batch = 0;  // of the call
    const std::vector<DropoutRates>* dropout_rates = nullptr;
    // Of the batch of which these rows are a shard, or the whole: its rows, its panels, and the shard's first panel.
    // What a sum over the batch consists of follows from these, so that it has the same bits in any number of shards.
    size_t total = 0, total_panels = 0, first_panel = 0;
    bool is_shard = false;  // whether gradients are stored as sums and no step is made

    // The rate of a Dropout, or another one where it has the same in all steps.
    double dropout_rate(int stream, double otherwise) const {
        if (dropout_rates)
            for (const auto& [of, rates] : *dropout_rates)
                if (of == stream) return rates[batch];
        return otherwise;
    }
};

// A thread's work on an operation: panels first .. last, and a part of their features.
struct Range {
    size_t first = 0, last = 0;
    Part part;
};

// Calls f(panel, first, last) for the units that belong to a range, where each panel has `units` of them.
template <class F> inline void each_part(const Range& r, size_t units, F f) {
    auto [unit, end] = r.part.of((r.last - r.first) * units);
    while (unit < end) {
        const size_t first = unit % units, count = std::min(units - first, end - unit);
        f(r.first + unit / units, first, first + count);
        unit += count;
    }
}

// Rows of a value in prediction; where indices are read, `index` has them without gaps.
template <class T> struct RowsOf {
    T* data = nullptr;
    size_t stride = 0;
    const int64_t* index = nullptr;
};

// Some rows and columns of the parameters of an operation, and about how much work their gradient is.
struct Task {
    int op = 0;
    int which = 0;
    size_t first = 0, last = 0;  // what they are is up to the operation
    double work = 0;
};

template <class T> class Operation {
  public:
    using V = Vec<T>;
    std::vector<Value<T>*> in;
    Value<T>* out = nullptr;
    std::vector<char> overwrite;  // by input: whether its gradient is set (true) or added to

    virtual ~Operation() = default;

    static Signature signature() { return {}; }  // most classes have one of their own

    // Whether inputs and output are of the sizes that the operation makes of each other.
    virtual bool fits() const {
        for (const Value<T>* v : in)
            if (v->cols != out->cols) return false;
        return true;
    }

    // Includes the next operation, which alone reads the output, and returns whether it can. `next` is taken over then.
    virtual bool fuse(std::unique_ptr<Operation>& next) {
        (void)next;
        return false;
    }

    // Room for batches of up to so many panels.
    virtual void reserve(size_t panels) { (void)panels; }

    // When parameters have changed outside of `gradient`: before the first step of a call, and by clipping; each thread
    // a part.
    virtual void begin(Part) {}

    // Whether it can take rows of the data as they are, where nobody else reads this input: as `gather_panel`, for
    // panel p.
    virtual bool gathers() const { return false; }
    virtual void gather(const Rows&, const int64_t*, int count, size_t more, size_t p, size_t first, size_t last) {
        (void)count, (void)more, (void)p, (void)first, (void)last;
    }

    // Whether work by feature may be done in small pieces, by whoever has time.
    virtual bool in_pieces() const { return false; }

    // Both ways may have phases, between which there is a barrier where they are cut differently.
    virtual int forward_phases() const { return 1; }
    virtual bool forward_by_feature(const Step&, int) const { return false; }
    virtual void forward(const Step&, const Range&, int phase, Workspace<T>&) = 0;
    virtual int backward_phases() const { return 1; }
    virtual bool backward_by_feature(const Step&, int) const { return false; }
    virtual void backward(const Step&, const Range&, int phase, Workspace<T>&) = 0;

    // Gradients of parameters, over the whole batch. With `updater.resumes` they go on from the sums of the rows
    // before, with `updater.holds` they are stored as such sums and not taken; there may be no rows.
    virtual void add_tasks(const Step&, std::vector<Task>&) const {}
    virtual void gradient(const Step&, const Task&, const Updater<T>&, Workspace<T>&) {}

    // The sums of a batch that comes in shards: how many there are in T and in double, and where they begin.
    virtual size_t num_sums() const { return 0; }
    virtual size_t num_wide_sums() const { return 0; }
    size_t sums_offset = 0, wide_offset = 0;

    // Numbers of each panel of the batch that all shards need before what follows a phase (see Normalize): where they
    // are, for all panels, and how many a panel has. There are as many in the forward and in the backward pass.
    struct Moments {
        double* data = nullptr;
        size_t per_panel = 0;
    };
    virtual bool has_moments() const { return false; }
    virtual void reserve_moments(size_t total_panels) { (void)total_panels; }
    virtual Moments moments(const Step&) const { return {}; }
    // Called in one thread when the moments of a shard's batch are there, and at the end of the step.
    virtual void take_moments(const Step&, bool backward) { (void)backward; }
    virtual void end_step() {}

    // Whether `gradient` reads the values of this operation, or their gradients, so that they are needed to the end of
    // a step.
    virtual bool gradient_reads_values() const { return true; }
    // Whether the gradient for the last input may be written over that for the output.
    virtual bool gradient_in_position() const { return false; }

    // Whether its values may be stored as bfloat16: each for itself, or all of them or none.
    enum class Bf16Values { never, each, together };
    virtual Bf16Values takes_bf16() const { return Bf16Values::never; }

    // Operations a row, for the decision whether threads pay.
    virtual double work() const { return double(out->cols); }

    // Prediction: room for n rows; then each thread a part of what is done once; then some rows at a time.
    virtual void reserve_rows(size_t) {}
    virtual void prepare(Part) {}
    virtual void predict(const std::vector<RowsOf<T>>& in, const RowsOf<T>& out, size_t n, Workspace<T>&) const = 0;

    // The number that an index input must stay below.
    virtual size_t index_limit() const { return 0; }

  protected:
    // Sets or adds f(i) for i = from, from + LANES, ... < to, in the gradient of an input.
    template <class F> void write_gradient(size_t k, size_t from, size_t to, F f) const {
        write_gradient(k, in[k]->grad, from, to, f);
    }
    template <class E, class F> void write_gradient(size_t k, E* g, size_t from, size_t to, F f) const {
        if (!in[k]->needs_grad) return;
        if (overwrite[k])
            for (size_t i = from; i < to; i += LANES<T>) store(g + i, f(i));
        else
            for (size_t i = from; i < to; i += LANES<T>) store(g + i, load(g + i) + f(i));
    }
    // Where panels first .. last of the output begin and end.
    std::pair<size_t, size_t> span(const Range& r) const {
        const size_t panel = out->cols * NR<T>;
        return {r.first * panel, r.last * panel};
    }
};

// Rows of the batch in panel p.
template <class T> inline int rows_in(const Step& s, size_t p) { return int(std::min<size_t>(NR<T>, s.n - p * NR<T>)); }

}  // namespace pysmorch
