// The mean of several probabilities, as logits.
#pragma once
#include <cmath>

#include "core/operation.h"

namespace pysmorch {

// log(1/K sum_k softmax(x_k)) over each group of D numbers that follow each other; see the layer LogMeanSoftmax.
template <class T> class LogMeanSoftmax final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;

    static Signature signature() { return {.least_inputs = 2, .most_inputs = ANY_NUMBER}; }
    LogMeanSoftmax(const Description& d, const Updater<T>&) : D_(d.channels) {}

    double work() const override { return 16.0 * double(out->cols) * double(in.size()); }

    void forward(const Step&, const Range& r, int, Workspace<T>&) override {
        std::vector<double> norms(in.size());
        each_group(r, [&](size_t at) {
            average(
                norms, [&](size_t k, size_t c) { return in[k]->data[at + c * NR<T>]; },
                [&](size_t c) -> T& { return out->data[at + c * NR<T>]; });
        });
    }
    void backward(const Step&, const Range& r, int, Workspace<T>&) override {
        for (size_t k = 0; k < in.size(); ++k) {
            if (!in[k]->needs_grad) continue;
            each_group(r, [&](size_t at) {
                const double norm = log_sum(D_, [&](size_t c) { return in[k]->data[at + c * NR<T>]; });
                // exp(log p - y) / K is the part that this input has in the mean.
                const auto part = [&](size_t c) {
                    const size_t i = at + c * NR<T>;
                    return std::exp(double(in[k]->data[i]) - norm - double(out->data[i])) / double(in.size()) *
                           double(out->grad[i]);
                };
                double sum = 0;
                for (size_t c = 0; c < D_; ++c) sum += part(c);
                for (size_t c = 0; c < D_; ++c) {
                    const size_t i = at + c * NR<T>;
                    const T g = T(part(c) - std::exp(double(in[k]->data[i]) - norm) * sum);
                    in[k]->grad[i] = this->overwrite[k] ? g : in[k]->grad[i] + g;
                }
            });
        }
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        std::vector<double> norms(in.size());
        for (size_t r = 0; r < n; ++r)
            for (size_t g = 0; g < out->cols; g += D_)
                average(
                    norms, [&](size_t k, size_t c) { return x[k].data[r * x[k].stride + g + c]; },
                    [&](size_t c) -> T& { return y.data[r * y.stride + g + c]; });
    }

  private:
    // Calls f with where each group of each row begins.
    template <class F> void each_group(const Range& r, F f) const {
        for (size_t p = r.first; p < r.last; ++p)
            for (size_t g = 0; g < out->cols; g += D_)
                for (size_t lane = 0; lane < size_t(NR<T>); ++lane) f((p * out->cols + g) * NR<T> + lane);
    }
    // log(sum exp(x)) of some numbers.
    template <class F> static double log_sum(size_t count, F x) {
        double largest = double(x(0)), sum = 0;
        for (size_t c = 1; c < count; ++c) largest = std::max(largest, double(x(c)));
        for (size_t c = 0; c < count; ++c) sum += std::exp(double(x(c)) - largest);
        return largest + std::log(sum);
    }
    // One group, of numbers x(k, c) into y(c); there is room for a number for each input.
    template <class X, class Y> void average(std::vector<double>& norms, X x, Y y) const {
        const size_t K = norms.size();
        for (size_t k = 0; k < K; ++k) norms[k] = log_sum(D_, [&](size_t c) { return x(k, c); });
        for (size_t c = 0; c < D_; ++c)
            y(c) = T(log_sum(K, [&](size_t k) { return double(x(k, c)) - norms[k]; }) - std::log(double(K)));
    }

    size_t D_;
};

}  // namespace pysmorch
