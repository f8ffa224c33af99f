// Normalization within a row of the batch: LayerNormalize (each position over its channels) and GroupNormalize.
#pragma once
#include "operations/geometry.h"

namespace pysmorch {

// A mean in two parts, which subtracted one after the other leave what the mean in double does: where numbers are far
// from 0, one of their own type is too coarse.
template <class T, class N> struct Mean {
    N high{}, low{};

    N centred(N x) const { return (x - high) - low; }
};
template <class T> inline Mean<T, T> mean_of(double sum, double count) {
    const T high = T(sum / count);
    return {high, T(sum / count - double(high))};
}
template <class T> inline Mean<T, Vec<T>> mean_of(const DoubleSum<T>& sum, double count) {
    Mean<T, Vec<T>> mean;
    for (int l = 0; l < LANES<T>; ++l) {
        const Mean<T, T> of_lane = mean_of<T>(sum.lane(l), count);
        mean.high[l] = of_lane.high;
        mean.low[l] = of_lane.low;
    }
    return mean;
}

// Groups of channels of a row of the batch, over all positions (GroupNormalize).
template <class T> class GroupNormalize final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;
    using V = Vec<T>;

    static Signature signature() { return {.attributes = {"num_groups", "epsilon"}}; }
    GroupNormalize(const Description& d, const Updater<T>&)
        : K_(d.channels), groups_(size_t(whole_number(d, "num_groups", 1))), epsilon_(d.number("epsilon")) {
        require(K_ % groups_ == 0, "group_normalize: the groups do not divide the channels");
    }

    void reserve(size_t panels) override { inverse_.get(panels * groups_ * NR<T>); }

    void forward(const Step&, const Range& r, int, Workspace<T>&) override {
        each_group(r, [&](size_t at, T* inverse) {
            DoubleSum<T> sum, squares;
            each(at, [&](size_t i) { sum.add(load(in[0]->data + i)); });
            const auto mean = mean_of<T>(sum, count());
            each(at, [&](size_t i) {
                const V centred = mean.centred(load(in[0]->data + i));
                store(out->data + i, centred);
                squares.add_product(centred, centred);
            });
            V scale;
            for (int l = 0; l < LANES<T>; ++l) scale[l] = T(1 / std::sqrt(squares.lane(l) / count() + epsilon_));
            store(inverse, scale);
            each(at, [&](size_t i) { store(out->data + i, load(out->data + i) * scale); });
        });
    }
    void backward(const Step&, const Range& r, int, Workspace<T>&) override {
        if (!in[0]->needs_grad) return;
        each_group(r, [&](size_t at, T* inverse) {
            DoubleSum<T> sum, along;
            each(at, [&](size_t i) {
                sum.add(load(out->grad + i));
                along.add_product(load(out->grad + i), load(out->data + i));
            });
            const V mean = sum.mean(count()), slope = along.mean(count()), scale = load(inverse);
            each(at, [&](size_t i) {
                this->write_gradient(0, i, i + 1, [&](size_t j) {
                    return V(scale * (load(out->grad + j) - mean - load(out->data + j) * slope));
                });
            });
        });
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        const size_t group = K_ / groups_;
        for (size_t r = 0; r < n; ++r)
            for (size_t g = 0; g < groups_; ++g) {
                const T* from = x[0].data + r * x[0].stride + g * group;
                T* to = y.data + r * y.stride + g * group;
                auto all = [&](auto f) {
                    for (size_t i = 0; i < out->cols; i += K_)
                        for (size_t k = 0; k < group; ++k) f(i + k);
                };
                double sum = 0, squares = 0;
                all([&](size_t i) { sum += double(from[i]); });
                const auto mean = mean_of<T>(sum, count());
                all([&](size_t i) {
                    to[i] = mean.centred(from[i]);
                    squares += double(to[i]) * double(to[i]);
                });
                const T scale = T(1 / std::sqrt(squares / count() + epsilon_));
                all([&](size_t i) { to[i] *= scale; });
            }
    }

  private:
    double count() const { return double(out->cols / groups_); }
    template <class F> void each_group(const Range& r, F f) const {
        for (size_t p = r.first; p < r.last; ++p)
            for (size_t g = 0; g < groups_; ++g)
                for (int half = 0; half < NR<T>; half += LANES<T>)
                    f((p * out->cols + g * (K_ / groups_)) * NR<T> + half,
                      inverse_.get() + (p * groups_ + g) * NR<T> + half);
    }
    // All vectors of a group, from its first one.
    template <class F> void each(size_t at, F f) const {
        for (size_t i = 0; i < out->cols; i += K_)
            for (size_t k = 0; k < K_ / groups_; ++k) f(at + (i + k) * NR<T>);
    }

    size_t K_, groups_;
    double epsilon_;
    Buffer<T> inverse_;
};

template <class T> class LayerNormalize final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;
    using V = Vec<T>;

    static Signature signature() { return {.attributes = {"epsilon"}}; }
    LayerNormalize(const Description& d, const Updater<T>&) : K_(d.channels), epsilon_(d.number("epsilon")) {}

    void reserve(size_t panels) override { inverse_.get(panels * out->cols / K_ * NR<T>); }

    void forward(const Step&, const Range& r, int, Workspace<T>&) override {
        each(r, [&](size_t at, T* inverse) {
            DoubleSum<T> sum, squares;
            for (size_t k = 0; k < K_; ++k) sum.add(load(in[0]->data + at + k * NR<T>));
            const auto mean = mean_of<T>(sum, double(K_));
            for (size_t k = 0; k < K_; ++k) {
                const V centred = mean.centred(load(in[0]->data + at + k * NR<T>));
                store(out->data + at + k * NR<T>, centred);
                squares.add_product(centred, centred);
            }
            V scale;
            for (int l = 0; l < LANES<T>; ++l) scale[l] = T(1 / std::sqrt(squares.lane(l) / double(K_) + epsilon_));
            store(inverse, scale);
            for (size_t k = 0; k < K_; ++k) store(out->data + at + k * NR<T>, load(out->data + at + k * NR<T>) * scale);
        });
    }
    void backward(const Step&, const Range& r, int, Workspace<T>&) override {
        if (!in[0]->needs_grad) return;
        each(r, [&](size_t at, T* inverse) {
            DoubleSum<T> sum, along;
            for (size_t k = 0; k < K_; ++k) {
                const V g = load(out->grad + at + k * NR<T>);
                sum.add(g);
                along.add_product(g, load(out->data + at + k * NR<T>));
            }
            const V mean = sum.mean(double(K_)), slope = along.mean(double(K_)), scale = load(inverse);
            for (size_t k = 0; k < K_; ++k)
                this->write_gradient(0, at + k * NR<T>, at + k * NR<T> + 1, [&](size_t i) {
                    return scale * (load(out->grad + i) - mean - load(out->data + i) * slope);
                });
        });
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        for (size_t r = 0; r < n; ++r)
            for (size_t f = 0; f < out->cols; f += K_) {
                const T* from = x[0].data + r * x[0].stride + f;
                T* to = y.data + r * y.stride + f;
                double sum = 0, squares = 0;
                for (size_t k = 0; k < K_; ++k) sum += double(from[k]);
                const auto mean = mean_of<T>(sum, double(K_));
                for (size_t k = 0; k < K_; ++k) {
                    to[k] = mean.centred(from[k]);
                    squares += double(to[k]) * double(to[k]);
                }
                const T scale = T(1 / std::sqrt(squares / double(K_) + epsilon_));
                for (size_t k = 0; k < K_; ++k) to[k] *= scale;
            }
    }

  private:
    // Each group of channels of LANES rows, and where the inverses of its deviations are stored.
    template <class F> void each(const Range& r, F f) const {
        const size_t groups = out->cols / K_;
        for (size_t p = r.first; p < r.last; ++p)
            for (size_t g = 0; g < groups; ++g)
                for (int half = 0; half < NR<T>; half += LANES<T>)
                    f((p * groups + g) * K_ * NR<T> + half, inverse_.get() + (p * groups + g) * NR<T> + half);
    }

    size_t K_;
    double epsilon_;
    Buffer<T> inverse_;
};

}  // namespace pysmorch
