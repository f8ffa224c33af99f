// Operations that only move numbers: Concat and Embedding.
#pragma once
#include "core/operation.h"

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

// Rows of W, looked up by index.
template <class T> class Embedding final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;

    static Signature signature() { return {.parameters = {"weights"}, .reads_indices = true}; }
    Embedding(const Description& d, const Updater<T>& parameters)
        : D_(d.matrix("weights").shape[0]), K_(d.matrix("weights").shape[1]), w_(d.parameter("weights").as<T>()),
          offset_(parameters.offset_of(w_)) {
        require(d.channels == K_, "embedding: the sizes do not fit");
    }

    bool fits() const override { return out->cols == in[0]->cols * K_; }
    size_t index_limit() const override { return D_; }

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
    void backward(const Step&, const Range&, int, Workspace<T>&) override {}
    void add_tasks(const Step& s, std::vector<Task>& tasks) const override {
        tasks.push_back({0, 0, 0, D_, double(D_) * double(K_) / LANES<T> + double(s.n) * double(out->cols)});
    }
    void gradient(const Step& s, const Task&, const Updater<T>& updater, Workspace<T>&) override {
        T* g = updater.gradients + offset_;
        std::fill(g, g + D_ * K_, T(0));
        const size_t count = in[0]->cols;
        for (size_t r = 0; r < s.n; ++r)
            for (size_t j = 0; j < count; ++j) {
                T* to = g + size_t(in[0]->index[r * count + j]) * K_;
                const T* from = out->grad_panel(r / NR<T>) + j * K_ * NR<T> + r % NR<T>;
                for (size_t k = 0; k < K_; ++k) to[k] += from[k * NR<T>];
            }
        updater.take(offset_, K_, D_, K_, g, K_);
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        const size_t count = in[0]->cols;
        for (size_t r = 0; r < n; ++r)
            for (size_t j = 0; j < count; ++j)
                std::memcpy(y.data + r * y.stride + j * K_, W(x[0].index[r * count + j]), K_ * sizeof(T));
    }

  private:
    const T* W(int64_t row) const { return w_ + size_t(row) * K_; }

    size_t D_, K_;
    const T* w_;
    size_t offset_;  // among the parameters
};

}  // namespace pysmorch
