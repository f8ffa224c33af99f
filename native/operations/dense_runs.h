// A dense block of which some columns of the input come in runs: in each run they follow each other to 1, as those of a
// piecewise linear encoding do (1 .. 1, p, 0 .. 0), or a column is a run of its own, as an indicator is.
//
// With x_c = 0 after the end of a run, sum over c of x_c W_c = sum over c of (x_c - x_c+1) (W_first + .. + W_c), and
// nearly all differences are 0. So a row of the batch is multiplied by one or two rows of a table of sums for each run
// instead of by all rows of the weights, and the gradient is summed in the same way. That is right for any numbers, and
// fast for these.
#pragma once
#include "operations/dense.h"

namespace pysmorch {

class DenseRuns final : public Dense<float> {
  public:
    [[gnu::cold]] DenseRuns(const Description& d, const Updater<float>& parameters)
        : Dense<float>(d, parameters), factors_(d.parameter("factors").as<float>()),
          factor_offset_(parameters.offset_of(factors_)), first_(d.runs.front()), width_(round_up(K_, size_t(L))) {
        require(first_ <= D_ && d.runs.back() == D_, "runs must end with the last column");
        require(!factors_ || d.parameter("factors").size == D_ - first_,
                "there is not a factor for each column of a run");
        is_last_.resize(D_ - first_);
        groups_.push_back(first_);
        for (size_t i = 1; i < d.runs.size(); ++i) {
            const size_t first = d.runs[i - 1], last = d.runs[i];
            require(first < last && last <= D_ && last - first <= MOST,
                    "a run has no columns, or more than it may have");
            if (first > groups_.back() && last - groups_.back() > OF_GROUP) groups_.push_back(first);
            is_last_[last - 1 - first_] = true;
        }
        groups_.push_back(D_);
    }

    [[gnu::cold]] void reserve(size_t panels) override {
        Dense<float>::reserve(panels);
        const size_t rows = panels * P;
        table_.get((D_ - first_) * width_);
        columns_.get(rows * (D_ - first_));
        differences_.get(rows * (D_ - first_));
        starts_.get(rows * groups_.size());
    }
    double work() const override { return (double(first_) + 4.0 * double(groups_.size())) * double(K_); }

    // Differences and what they add to the output by panel, then the product of the other columns.
    int forward_phases() const override { return 2; }
    bool forward_by_feature(const Step& s, int phase) const override {
        return phase == 1 && Dense<float>::forward_by_feature(s, 0);
    }
    bool backward_by_feature(const Step& s, int phase) const override {
        return phase == 1 && Dense<float>::forward_by_feature(s, 0);
    }

    void begin(Part part) override {
        const auto [first, last] = part.of(width_ / L);
        sum_weights(first_, D_, first * L, last * L);
    }

    void forward(const Step& s, const Range& r, int phase, Workspace<float>&) override {
        if (phase == 0) {
            for (size_t p = r.first; p < r.last; ++p) {
                find_differences(s, p);
                add_runs(s, p);
            }
        } else if (first_ > 0) {
            forward_product(s, r, first_, true);
        } else {
            each_part(r, K_, [&](size_t p, size_t f, size_t last) { finish_panel(f, last - f, p); });
        }
    }

    // Columns of runs get no gradient: they are data.
    void backward(const Step& s, const Range& r, int phase, Workspace<float>& work) override {
        if (phase == 0) Dense<float>::backward(s, r, phase, work);
        else if (first_ > 0) backward_product(s, r, first_);
    }

    [[gnu::cold]] void add_tasks(const Step& s, std::vector<Task>& tasks) const override {
        if (first_ > 0) add_tasks_of<Tiles<float, Form::panels>>(s, tasks, first_);
        for (size_t g = 0; g + 1 < groups_.size(); ++g) {
            const double columns = double(groups_[g + 1] - groups_[g]), vectors = double(width_) / L;
            tasks.push_back({0, RUNS, g, g + 1, vectors * columns * (double(s.n) / 8 + 60)});
        }
        add_bias_task(s, tasks);
    }

    void gradient(const Step& s, const Task& task, const Updater<float>& updater, Workspace<float>& work) override {
        if (task.which == RUNS) runs_gradient(s, task.first, updater, work);
        else if (task.which < 0) bias_gradient(s, updater, work);
        else matrix_gradient(s, task, first_, updater, work);
    }

  private:
    static constexpr int L = LANES<float>, P = NR<float>;
    static constexpr int RUNS = -2;       // tasks of groups of columns
    static constexpr size_t MOST = 1024;  // columns of a run
    // Columns of several runs: their sums stay in the L1 cache, and threads share the groups.
    static constexpr size_t OF_GROUP = 64;

    // Sums of the weights of each run, times the factors, up to columns first .. last, in features from .. end; after
    // the last one they are 0.
    void sum_weights(size_t first, size_t last, size_t from, size_t end) {
        for (size_t k = from; k < end; k += L) {
            Vec<float> sum{};
            for (size_t c = first; c < last; ++c) {
                sum += load_up_to(W_ + c * K_ + k, K_ - k) * (factors_ ? factors_[c - first_] : 1.0f);
                store(table_.get() + (c - first_) * width_ + k, sum);
                if (is_last_[c - first_]) sum = Vec<float>{};
            }
        }
    }

    // The columns with differences of each row of a panel, in order, and where each group of them begins.
    void find_differences(const Step& s, size_t p) {
        const int rows = rows_in<float>(s, p);
        uint32_t counts[P]{};
        for (size_t g = 0; g + 1 < groups_.size(); ++g) {
            for (int i = 0; i < rows; ++i) starts_.get()[(p * P + size_t(i)) * groups_.size() + g] = counts[i];
            for (size_t c = groups_[g]; c < groups_[g + 1]; ++c) {
                const float* x = in[0]->panel(p) + c * P;
                for (int half = 0; half < rows; half += L) {
                    const Vec<float> next = is_last_[c - first_] ? Vec<float>{} : load(x + P + half);
                    const Vec<float> difference = load(x + half) - next;
                    for (uint32_t lanes = lanes_not_zero(difference); lanes != 0; lanes &= lanes - 1) {
                        const int i = half + __builtin_ctz(lanes);
                        if (i >= rows) break;
                        const size_t at = (p * P + size_t(i)) * (D_ - first_) + counts[i]++;
                        columns_.get()[at] = uint32_t(c - first_);
                        differences_.get()[at] = difference[i - half];
                    }
                }
            }
        }
        for (int i = 0; i < rows; ++i)
            starts_.get()[(p * P + size_t(i)) * groups_.size() + groups_.size() - 1] = counts[i];
    }

    // What the runs add to the output of a panel.
    void add_runs(const Step& s, size_t p) const {
        alignas(64) float sums[L * AT_A_TIME * L];
        for (size_t k = 0, vectors; k < width_; k += vectors * L) {
            vectors = std::min<size_t>(AT_A_TIME, (width_ - k) / L);
            for (int half = 0; half < P; half += L) {
                for (int i = 0; i < L; ++i) {
                    float* to = sums + i * AT_A_TIME * L;
                    const size_t row = p * P + size_t(half + i);
                    const bool is_there = half + i < rows_in<float>(s, p);
                    const uint32_t count = is_there ? starts_.get()[(row + 1) * groups_.size() - 1] : 0;
                    if (vectors == AT_A_TIME) sum_of_row<AT_A_TIME>(row, count, k, to);
                    else
                        for (size_t v = 0; v < vectors; ++v) sum_of_row<1>(row, count, k + v * L, to + v * L);
                }
                for (size_t v = 0; v < vectors; ++v) {
                    Vec<float> square[L];
                    for (int i = 0; i < L; ++i) square[i] = load(sums + (i * AT_A_TIME + v) * L);
                    transpose<float>(square);
                    const size_t from = k + v * L;
                    for (size_t i = 0; i < std::min(size_t(L), K_ - from); ++i)
                        store(out->panel(p) + (from + i) * P + half, square[i]);
                }
            }
        }
    }
    template <size_t VECTORS> void sum_of_row(size_t row, uint32_t count, size_t k, float* to) const {
        Vec<float> sums[VECTORS]{};
        const uint32_t* columns = columns_.get() + row * (D_ - first_);
        const float* differences = differences_.get() + row * (D_ - first_);
        for (uint32_t i = 0; i < count; ++i) {
            const float* table = table_.get() + columns[i] * width_ + k;
            for (size_t v = 0; v < VECTORS; ++v) sums[v] += broadcast(differences[i]) * load(table + v * L);
        }
        for (size_t v = 0; v < VECTORS; ++v) store(to + v * L, sums[v]);
    }

    // The gradient of a group of columns, and of their factors, which is that of the weights times the weights.
    void runs_gradient(const Step& s, size_t group, const Updater<float>& updater, Workspace<float>& work) {
        const size_t first = groups_[group], count = groups_[group + 1] - first;
        float of_factors[MOST]{};
        for (size_t k = 0; k < K_; k += P) {
            const size_t features = std::min<size_t>(P, K_ - k), sums = this->sums_offset + first * K_ + k;
            if (updater.resumes) updater.load_sums(sums, K_, count, features, work.c, P);
            else std::fill(work.c, work.c + count * P, 0.0f);
            add_differences(s, k, group, work.c);
            if (updater.holds) {
                updater.store_sums(sums, K_, count, features, work.c, P);
                continue;
            }
            for (size_t c = count; c-- > 0;) {
                float* g = work.c + c * P;
                Vec<float> low = load(g), high = load(g + L);
                if (!is_last_[first + c - first_]) {
                    low += load(g + P);
                    high += load(g + P + L);
                }
                store(g, low);
                store(g + L, high);
            }
            if (factors_) multiply(first, count, k, features, work.c, of_factors);
            updater.take(offset_ + first * K_ + k, K_, count, features, work.c, P);
        }
        if (updater.holds) return;
        if (factors_) updater.take(factor_offset_ + first - first_, count, 1, count, of_factors, count);
        if (updater.spec.clip_norm <= 0) sum_weights(first, first + count, 0, width_);
    }

    // Adds what the rows of the batch contribute in features k .. k + NR. The sums of a batch in shards are these.
    void add_differences(const Step& s, size_t k, size_t group, float* sums) const {
        const float* g = block(s, k / P);
        for (size_t row = 0; row < s.n; ++row, g += P) {
            const Vec<float> low = load(g), high = load(g + L);
            const uint32_t* starts = starts_.get() + row * groups_.size() + group;
            const size_t at = row * (D_ - first_);
            for (uint32_t i = starts[0]; i < starts[1]; ++i) {
                float* to = sums + (columns_.get()[at + i] - (groups_[group] - first_)) * P;
                const Vec<float> difference = broadcast(differences_.get()[at + i]);
                store(to, load(to) + difference * low);
                store(to + L, load(to + L) + difference * high);
            }
        }
    }

    // Turns gradients of products of factors and weights, in some features, into those of the weights, and adds to
    // those of the factors.
    void multiply(size_t first, size_t count, size_t k, size_t features, float* g, float* of_factors) const {
        for (size_t c = 0; c < count; ++c, g += P) {
            const float *w = W_ + (first + c) * K_ + k, factor = factors_[first + c - first_];
            Vec<float> products{};
            for (size_t j = 0; j < features; j += L) {
                products += load(g + j) * load_up_to(w + j, features - j);
                store(g + j, load(g + j) * factor);
            }
            for (int i = 0; i < L; ++i) of_factors[c] += products[i];
        }
    }

    static constexpr size_t AT_A_TIME = 8;  // vectors of a row of the output that stay in registers

    const float* factors_;        // one for each column of the runs, or null
    size_t factor_offset_;        // among the parameters
    size_t first_;                // column of the runs
    size_t width_;                // of a row of the table
    std::vector<char> is_last_;   // whether a column is the last one of its run
    std::vector<size_t> groups_;  // of whole runs: where they begin, and the end
    Buffer<float> table_, differences_;
    Buffer<uint32_t> columns_, starts_;
};

}  // namespace pysmorch
