// Normalize (each channel over the batch) and LayerNormalize (each row over its channels).
#pragma once
#include "../operation.h"

namespace pysmorch {

template <class T> class Normalize final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;
    using V = Vec<T>;

    Normalize(const Description& d, const Updater<T>&) : K_(d.channels), epsilon_(d.number("epsilon")), momentum_(d.number("momentum")) {
        require(d.states.size() == 2 && d.states[0].second == K_ && d.states[1].second == K_, "Normalize needs a running mean and a running variance");
        mean_ = d.states[0].first;
        variance_ = d.states[1].first;
    }

    void reserve(size_t, size_t) override { inverse_.get(K_); }
    bool forward_by_feature(const Step&, int) const override { return true; }
    bool backward_by_feature(const Step&, int) const override { return true; }

    void forward(const Step& s, const Range& r, int, Workspace<T>&) override {
        const auto [from, to] = r.part.of(K_);
        const double count = double(s.n) * double(out->cols / K_);
        for (size_t k = from; k < to; ++k) {
            double sum = 0, squares = 0;
            each(s, k, [&](size_t i, int lanes) {
                DoubleSum<T> part;
                part.add(load(in[0]->data + i));
                sum += part.over(lanes);
            });
            const double mean = sum / count;
            each(s, k, [&](size_t i, int lanes) {
                const V centred = load(in[0]->data + i) - T(mean);
                store(out->data + i, centred);
                DoubleSum<T> part;
                part.add_product(centred, centred);
                squares += part.over(lanes);
            });
            const double variance = squares / count;
            const T scale = T(1 / std::sqrt(variance + epsilon_));
            inverse_.get()[k] = scale;
            each(s, k, [&](size_t i, int) { store(out->data + i, load(out->data + i) * scale); });
            mean_[k] += momentum_ * (mean - mean_[k]);
            if (count > 1) variance_[k] += momentum_ * (variance * (count / (count - 1)) - variance_[k]);
        }
    }
    void backward(const Step& s, const Range& r, int, Workspace<T>&) override {
        if (!in[0]->needs_grad) return;
        const auto [from, to] = r.part.of(K_);
        const double count = double(s.n) * double(out->cols / K_);
        for (size_t k = from; k < to; ++k) {
            double sum = 0, along = 0;
            each(s, k, [&](size_t i, int lanes) {
                DoubleSum<T> a, b;
                a.add(load(out->grad + i));
                b.add_product(load(out->grad + i), load(out->data + i));
                sum += a.over(lanes);
                along += b.over(lanes);
            });
            const T mean = T(sum / count), slope = T(along / count), scale = inverse_.get()[k];
            each(s, k, [&](size_t i, int) {
                this->hand_back(0, i, i + 1, [&](size_t j) { return (load(out->grad + j) - mean - load(out->data + j) * slope) * scale; });
            });
        }
    }
    // With the running statistics.
    void reserve_rows(size_t) override { shift_.get(2 * K_); }
    void prepare(Part part) override {
        T* shift = shift_.get();
        if (part.index > 0) return;
        for (size_t k = 0; k < K_; ++k) {
            shift[k] = T(mean_[k]);
            shift[K_ + k] = T(1 / std::sqrt(variance_[k] + epsilon_));
        }
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n) const override {
        const T* shift = shift_.get();
        for (size_t r = 0; r < n; ++r)
            for (size_t f = 0; f < out->cols; f += K_) {
                T* to = y.data + r * y.stride + f;
                each_lane(to, x[0].data + r * x[0].stride + f, shift, K_, [](auto a, auto b) { return a - b; });
                each_lane(to, to, shift + K_, K_, [](auto a, auto b) { return a * b; });
            }
    }

  private:
    // All vectors of channel k, with the number of lanes that belong to the batch.
    template <class F> void each(const Step& s, size_t k, F f) const {
        for (size_t p = 0; p < s.panels; ++p)
            for (size_t c = k; c < out->cols; c += K_)
                for (int half = 0; half < rows_in<T>(s, p); half += LANES<T>)
                    f((p * out->cols + c) * WIDE<T> + half, std::min(LANES<T>, rows_in<T>(s, p) - half));
    }

    size_t K_;
    double epsilon_, momentum_;
    double *mean_ = nullptr, *variance_ = nullptr;
    Buffer<T> inverse_, shift_;
};

template <class T> class LayerNormalize final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;
    using V = Vec<T>;

    LayerNormalize(const Description& d, const Updater<T>&) : K_(d.channels), epsilon_(d.number("epsilon")) {}

    void reserve(size_t, size_t panels) override { inverse_.get(panels * out->cols / K_ * WIDE<T>); }

    void forward(const Step&, const Range& r, int, Workspace<T>&) override {
        each(r, [&](size_t at, T* inverse) {
            DoubleSum<T> sum, squares;
            for (size_t k = 0; k < K_; ++k) sum.add(load(in[0]->data + at + k * WIDE<T>));
            const V mean = sum.mean(double(K_));
            for (size_t k = 0; k < K_; ++k) {
                const V centred = load(in[0]->data + at + k * WIDE<T>) - mean;
                store(out->data + at + k * WIDE<T>, centred);
                squares.add_product(centred, centred);
            }
            V scale;
            for (int l = 0; l < LANES<T>; ++l) scale[l] = T(1 / std::sqrt(squares.lane(l) / double(K_) + epsilon_));
            store(inverse, scale);
            for (size_t k = 0; k < K_; ++k) store(out->data + at + k * WIDE<T>, load(out->data + at + k * WIDE<T>) * scale);
        });
    }
    void backward(const Step&, const Range& r, int, Workspace<T>&) override {
        if (!in[0]->needs_grad) return;
        each(r, [&](size_t at, T* inverse) {
            DoubleSum<T> sum, along;
            for (size_t k = 0; k < K_; ++k) {
                const V g = load(out->grad + at + k * WIDE<T>);
                sum.add(g);
                along.add_product(g, load(out->data + at + k * WIDE<T>));
            }
            const V mean = sum.mean(double(K_)), slope = along.mean(double(K_)), scale = load(inverse);
            for (size_t k = 0; k < K_; ++k)
                this->hand_back(0, at + k * WIDE<T>, at + k * WIDE<T> + 1,
                                [&](size_t i) { return scale * (load(out->grad + i) - mean - load(out->data + i) * slope); });
        });
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n) const override {
        for (size_t r = 0; r < n; ++r)
            for (size_t f = 0; f < out->cols; f += K_) {
                const T* from = x[0].data + r * x[0].stride + f;
                T* to = y.data + r * y.stride + f;
                double sum = 0, squares = 0;
                for (size_t k = 0; k < K_; ++k) sum += double(from[k]);
                const T mean = T(sum / double(K_));
                for (size_t k = 0; k < K_; ++k) {
                    to[k] = from[k] - mean;
                    squares += double(to[k]) * double(to[k]);
                }
                const T scale = T(1 / std::sqrt(squares / double(K_) + epsilon_));
                for (size_t k = 0; k < K_; ++k) to[k] *= scale;
            }
    }

  private:
    // Each group of channels of LANES rows, and where the inverses of its deviations are kept.
    template <class F> void each(const Range& r, F f) const {
        const size_t groups = out->cols / K_;
        for (size_t p = r.first; p < r.last; ++p)
            for (size_t g = 0; g < groups; ++g)
                for (int half = 0; half < WIDE<T>; half += LANES<T>)
                    f((p * groups + g) * K_ * WIDE<T> + half, inverse_.get() + (p * groups + g) * WIDE<T> + half);
    }

    size_t K_;
    double epsilon_;
    Buffer<T> inverse_;
};

}  // namespace pysmorch
