// Operations that only move numbers: Concat, Columns and Embedding.
#pragma once
#include "core/operation.h"
#include "operations/geometry.h"

namespace pysmorch {

// Joins the last axes; before it there may be others, so that a row has several groups of channels.
template <class T> class Concat final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;

    static Signature signature() { return {.most_inputs = ANY_NUMBER}; }
    explicit Concat(const Description& d, const Updater<T>&) : K_(d.channels) {}

    bool fits() const override {
        const size_t groups = out->cols / K_;
        size_t total = 0;
        for (const Value<T>* v : in) {
            if (groups == 0 || v->cols % groups != 0) return false;
            total += v->cols;
        }
        return total == out->cols;
    }

    void forward(const Step&, const Range& r, int, Workspace<T>&) override {
        each(r, [&](size_t k, size_t input_at, size_t output_at, size_t count) {
            std::memcpy(out->data + output_at, in[k]->data + input_at, count * sizeof(T));
        });
    }
    void backward(const Step&, const Range& r, int, Workspace<T>&) override {
        each(r, [&](size_t k, size_t input_at, size_t output_at, size_t count) {
            this->write_gradient(k, input_at, input_at + count,
                                 [&](size_t i) { return load(out->grad + (i - input_at + output_at)); });
        });
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        const size_t groups = out->cols / K_;
        for (size_t r = 0; r < n; ++r) {
            size_t at = 0;
            for (size_t k = 0; k < in.size(); ++k) {
                const size_t width = in[k]->cols / groups;
                for (size_t g = 0; g < groups; ++g)
                    std::memcpy(y.data + r * y.stride + g * K_ + at, x[k].data + r * x[k].stride + g * width,
                                width * sizeof(T));
                at += width;
            }
        }
    }

  private:
    template <class F> void each(const Range& r, F f) const {
        const size_t groups = out->cols / K_;
        for (size_t p = r.first; p < r.last; ++p)
            for (size_t g = 0; g < groups; ++g) {
                size_t at = (p * groups + g) * K_;
                for (size_t k = 0; k < in.size(); ++k) {
                    const size_t width = in[k]->cols / groups;
                    f(k, (p * groups + g) * width * NR<T>, at * NR<T>, width * NR<T>);
                    at += width;
                }
            }
    }

    size_t K_;
};

// Neighbouring features of the last axis; before it there may be others, as for Concat.
template <class T> class Columns final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;

    static Signature signature() { return {.attributes = {"start"}}; }
    Columns(const Description& d, const Updater<T>&) : K_(d.channels), start_(size_t(whole_number(d, "start", 0))) {}

    bool fits() const override {
        const size_t groups = out->cols / K_;
        return groups > 0 && in[0]->cols % groups == 0 && start_ + K_ <= in[0]->cols / groups;
    }

    void forward(const Step&, const Range& r, int, Workspace<T>&) override {
        each(r, [&](size_t input_at, size_t output_at) {
            std::memcpy(out->data + output_at, in[0]->data + input_at + start_ * NR<T>, K_ * NR<T> * sizeof(T));
        });
    }
    void backward(const Step&, const Range& r, int, Workspace<T>&) override {
        if (!in[0]->needs_grad) return;
        const size_t width = in[0]->cols / (out->cols / K_);
        each(r, [&](size_t input_at, size_t output_at) {
            const size_t first = input_at + start_ * NR<T>, last = first + K_ * NR<T>;
            if (this->overwrite[0]) {
                std::fill(in[0]->grad + input_at, in[0]->grad + first, T(0));
                std::fill(in[0]->grad + last, in[0]->grad + input_at + width * NR<T>, T(0));
            }
            this->write_gradient(0, first, last, [&](size_t i) { return load(out->grad + (i - first + output_at)); });
        });
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        const size_t groups = out->cols / K_, width = in[0]->cols / groups;
        for (size_t r = 0; r < n; ++r)
            for (size_t g = 0; g < groups; ++g)
                std::memcpy(y.data + r * y.stride + g * K_, x[0].data + r * x[0].stride + g * width + start_,
                            K_ * sizeof(T));
    }

  private:
    // Calls f with where each group of channels begins in the input and in the output.
    template <class F> void each(const Range& r, F f) const {
        const size_t groups = out->cols / K_, width = in[0]->cols / groups;
        for (size_t g = r.first * groups; g < r.last * groups; ++g) f(g * width * NR<T>, g * K_ * NR<T>);
    }

    size_t K_, start_;
};

// Rows of W, looked up by index.
template <class T> class Embedding final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;

    static Signature signature() { return {.parameters = {"weights"}, .reads_indices = true}; }
    Embedding(const Description& d, const Updater<T>& parameters)
        : D_(d.matrix("weights").shape[0]), K_(d.matrix("weights").shape[1]), w_(d.parameter("weights").as<T>()),
          offset_(parameters.offset_of(w_)), gradients_(parameters.gradients) {
        require(d.channels == K_, "embedding: the sizes do not fit");
    }

    bool fits() const override { return out->cols == in[0]->cols * K_; }
    size_t index_limit() const override { return D_; }
    size_t num_sums() const override { return D_ * K_; }

    void forward(const Step& s, const Range& r, int, Workspace<T>&) override {
        const size_t count = in[0]->cols;
        for (size_t p = r.first; p < r.last; ++p)
            for (int lane = 0; lane < rows_in<T>(s, p); ++lane)
                for (size_t j = 0; j < count; ++j) {
                    const T* w = W(in[0]->index[(p * NR<T> + lane) * count + j]);
                    T* to = out->panel(p) + j * K_ * NR<T> + lane;
                    for (size_t k = 0; k < K_; ++k) to[k * NR<T>] = w[k];
                }
    }
    void reserve(size_t panels) override { is_large_ = panels * NR<T> * out->cols > LARGE; }
    bool backward_by_feature(const Step& s, int) const override { return sums_in_backward(s); }
    void backward(const Step& s, const Range& r, int, Workspace<T>&) override {
        if (!sums_in_backward(s)) return;
        const auto [first, last] = r.part.of((K_ + LANES<T> - 1) / LANES<T>);
        sum(s, r.first, r.last, first * LANES<T>, std::min(K_, last * LANES<T>), gradients_ + offset_, false);
    }
    void add_tasks(const Step& s, std::vector<Task>& tasks) const override {
        const double of_sums = sums_in_backward(s) ? 0 : double(s.n) * double(out->cols);
        const size_t count = sums_in_backward(s) ? std::clamp<size_t>(D_, 1, TASKS) : 1;
        for (size_t i = 0; i < count; ++i) {
            const size_t first = D_ * i / count, last = D_ * (i + 1) / count;
            tasks.push_back({0, 0, first, last, double(last - first) * double(K_) / LANES<T> + of_sums});
        }
    }
    void gradient(const Step& s, const Task& task, const Updater<T>& updater, Workspace<T>&) override {
        T* g = s.is_shard ? updater.sums_at(this->sums_offset) : gradients_ + offset_;
        if (!sums_in_backward(s)) sum(s, 0, s.panels, 0, K_, g, updater.resumes);
        if (updater.holds) return;
        updater.take(offset_ + task.first * K_, K_, task.last - task.first, K_, g + task.first * K_, K_);
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        const size_t count = in[0]->cols;
        for (size_t r = 0; r < n; ++r)
            for (size_t j = 0; j < count; ++j)
                std::memcpy(y.data + r * y.stride + j * K_, W(x[0].index[r * count + j]), K_ * sizeof(T));
    }

  private:
    // The gradient of a batch with more numbers is summed in the backward pass, in pieces between which signals are
    // looked for, and is taken by so many tasks. That of a shard goes on from sums which may not be there yet then.
    static constexpr size_t LARGE = 1 << 24, TASKS = 64;
    bool sums_in_backward(const Step& s) const { return is_large_ && !s.is_shard; }

    const T* W(int64_t row) const { return w_ + size_t(row) * K_; }

    // Gradients of features k .. last_k, row by row of the batch, whoever has which of them.
    void sum(const Step& s, size_t first, size_t last, size_t first_k, size_t last_k, T* g, bool resumes) const {
        for (size_t d = 0; first == 0 && !resumes && d < D_; ++d)
            std::fill(g + d * K_ + first_k, g + d * K_ + last_k, T(0));
        const size_t count = in[0]->cols;
        for (size_t p = first; p < last; ++p)
            for (int lane = 0; lane < rows_in<T>(s, p); ++lane)
                for (size_t j = 0; j < count; ++j) {
                    T* to = g + size_t(in[0]->index[(p * NR<T> + size_t(lane)) * count + j]) * K_;
                    const T* from = out->grad_panel(p) + j * K_ * NR<T> + lane;
                    for (size_t k = first_k; k < last_k; ++k) to[k] += from[k * NR<T>];
                }
    }

    size_t D_, K_;
    const T* w_;
    size_t offset_;  // among the parameters
    T* gradients_;   // of all parameters
    bool is_large_ = false;
};

}  // namespace pysmorch
