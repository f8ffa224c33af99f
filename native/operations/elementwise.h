// Operations that look at one number of each input: Bias, Scale, Blend, Rescale, Add, Multiply, Dropout.
#pragma once
#include "core/operation.h"
#include "core/random.h"
#include "kernels/activations.h"

namespace pysmorch {

// Calls f(i, k) for each vector i of a range of a value, with its channel k of K, the last dimension.
template <class T, class F> void each_channel(const Value<T>& v, size_t K, const Range& r, F f) {
    for (size_t p = r.first; p < r.last; ++p)
        for (size_t c = 0, k = 0; c < v.cols; ++c, k = k + 1 < K ? k + 1 : 0)  // a remainder would be a division
            for (int half = 0; half < NR<T>; half += LANES<T>) f((p * v.cols + c) * NR<T> + half, k);
}

// The gradient of one parameter for each of K channels, whose sums begin at `wide_offset`: add(sum, i) adds the terms
// of the numbers at i.
template <class T, class F>
void channel_gradient(const Step& s, const Value<T>& v, size_t K, size_t offset, size_t wide_offset,
                      const Updater<T>& updater, Workspace<T>& work, F add) {
    for (size_t k = 0; k < K; k += NR<T>) {
        const size_t count = std::min<size_t>(NR<T>, K - k);
        for (size_t i = 0; i < count; ++i) {
            double total = updater.resumes ? updater.wide_sums[wide_offset + k + i] : 0;
            for (size_t p = 0; p < s.panels; ++p) {
                for (int half = 0; half < NR<T>; half += LANES<T>) {
                    const int lanes = std::min(LANES<T>, rows_in<T>(s, p) - half);
                    if (lanes <= 0) break;
                    DoubleSum<T> sum;
                    for (size_t f = k + i; f < v.cols; f += K) add(sum, (p * v.cols + f) * NR<T> + half);
                    total += sum.over(lanes);
                }
            }
            if (updater.holds) updater.wide_sums[wide_offset + k + i] = total;
            else work.c[i] = T(total);
        }
        if (!updater.holds) updater.take(offset + k, K, 1, count, work.c, NR<T>);
    }
}

// x + w or x * w, with one w for each channel.
template <class T, bool SCALE> class Channelwise final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;
    using V = Vec<T>;

    static Signature signature() { return {.parameters = {"weights"}}; }
    Channelwise(const Description& d, const Updater<T>& parameters)
        : K_(d.channels), w_(d.row("weights").as<T>()), offset_(parameters.offset_of(w_)) {}

    void forward(const Step&, const Range& r, int, Workspace<T>&) override {
        each_channel(*out, K_, r, [&](size_t i, size_t k) {
            const V x = load(in[0]->data + i);
            store(out->data + i, SCALE ? x * w_[k] : x + w_[k]);
        });
    }
    void backward(const Step&, const Range& r, int, Workspace<T>&) override {
        if (!in[0]->needs_grad) return;
        each_channel(*out, K_, r, [&](size_t i, size_t k) {
            const V g = load(out->grad + i), part = SCALE ? g * w_[k] : g;
            store(in[0]->grad + i, this->overwrite[0] ? part : load(in[0]->grad + i) + part);
        });
    }
    void add_tasks(const Step& s, std::vector<Task>& tasks) const override {
        tasks.push_back({0, 0, 0, K_, double(out->cols) * double(s.n) / LANES<T>});
    }
    size_t num_wide_sums() const override { return K_; }
    void gradient(const Step& s, const Task&, const Updater<T>& updater, Workspace<T>& work) override {
        channel_gradient(s, *out, K_, offset_, this->wide_offset, updater, work, [&](DoubleSum<T>& sum, size_t i) {
            const V g = load(out->grad + i);
            if (SCALE) sum.add_product(g, load(in[0]->data + i));
            else sum.add(g);
        });
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        for (size_t r = 0; r < n; ++r)
            for (size_t f = 0; f < out->cols; f += K_)
                each_lane(y.data + r * y.stride + f, x[0].data + r * x[0].stride + f, w_, K_,
                          [](auto a, auto b) { return SCALE ? a * b : a + b; });
    }

  private:
    size_t K_;
    const T* w_;
    size_t offset_;  // among the parameters
};

// x + w (y - x), with one w for each channel.
template <class T> class Blend final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;
    using V = Vec<T>;

    static Signature signature() { return {.least_inputs = 2, .most_inputs = 2, .parameters = {"weights"}}; }
    Blend(const Description& d, const Updater<T>& parameters)
        : K_(d.channels), w_(d.row("weights").as<T>()), offset_(parameters.offset_of(w_)) {}

    void forward(const Step&, const Range& r, int, Workspace<T>&) override {
        each_channel(*out, K_, r, [&](size_t i, size_t k) {
            const V x = load(in[0]->data + i);
            store(out->data + i, x + w_[k] * (load(in[1]->data + i) - x));
        });
    }
    void backward(const Step&, const Range& r, int, Workspace<T>&) override {
        for (size_t j = 0; j < 2; ++j) {
            if (!in[j]->needs_grad) continue;
            each_channel(*out, K_, r, [&](size_t i, size_t k) {
                const V part = load(out->grad + i) * (j == 0 ? 1 - w_[k] : w_[k]);
                store(in[j]->grad + i, this->overwrite[j] ? part : load(in[j]->grad + i) + part);
            });
        }
    }
    void add_tasks(const Step& s, std::vector<Task>& tasks) const override {
        tasks.push_back({0, 0, 0, K_, double(out->cols) * double(s.n) / LANES<T>});
    }
    size_t num_wide_sums() const override { return K_; }
    void gradient(const Step& s, const Task&, const Updater<T>& updater, Workspace<T>& work) override {
        channel_gradient(s, *out, K_, offset_, this->wide_offset, updater, work, [&](DoubleSum<T>& sum, size_t i) {
            sum.add_product(load(out->grad + i), load(in[1]->data + i) - load(in[0]->data + i));
        });
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        for (size_t r = 0; r < n; ++r)
            for (size_t f = 0; f < out->cols; f += K_) {
                const T *from = x[0].data + r * x[0].stride + f, *other = x[1].data + r * x[1].stride + f;
                T* to = y.data + r * y.stride + f;
                each_lane(to, from, other, K_, [](auto a, auto b) { return b - a; });
                each_lane(to, to, w_, K_, [](auto a, auto b) { return a * b; });
                each_lane(to, from, to, K_, [](auto a, auto b) { return a + b; });
            }
    }

  private:
    size_t K_;
    const T* w_;
    size_t offset_;  // among the parameters
};

// The sum or the product of two or more values.
template <class T, bool PRODUCT> class Combine final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;
    using V = Vec<T>;

    static Signature signature() { return {.most_inputs = ANY_NUMBER}; }
    Combine(const Description&, const Updater<T>&) {}

    void forward(const Step&, const Range& r, int, Workspace<T>&) override {
        const auto [from, to] = this->span(r);
        for (size_t i = from; i < to; i += LANES<T>) {
            V v = load(in[0]->data + i);
            for (size_t k = 1; k < in.size(); ++k) v = PRODUCT ? v * load(in[k]->data + i) : v + load(in[k]->data + i);
            store(out->data + i, v);
        }
    }
    void backward(const Step&, const Range& r, int, Workspace<T>&) override {
        const auto [from, to] = this->span(r);
        for (size_t k = 0; k < in.size(); ++k)
            this->write_gradient(k, from, to, [&](size_t i) {
                V g = load(out->grad + i);
                for (size_t other = 0; PRODUCT && other < in.size(); ++other)
                    if (other != k) g *= load(in[other]->data + i);
                return g;
            });
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        for (size_t r = 0; r < n; ++r) {
            T* to = y.data + r * y.stride;
            std::memcpy(to, x[0].data + r * x[0].stride, out->cols * sizeof(T));
            for (size_t k = 1; k < x.size(); ++k)
                each_lane(to, to, x[k].data + r * x[k].stride, out->cols,
                          [](auto a, auto b) { return PRODUCT ? a * b : a + b; });
        }
    }
};

// scale * x + shift, with two numbers.
template <class T> class Rescale final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;

    static Signature signature() { return {.attributes = {"scale", "shift"}}; }
    Rescale(const Description& d, const Updater<T>&) : scale_(T(d.number("scale"))), shift_(T(d.number("shift"))) {}

    bool gradient_in_position() const override { return true; }
    void forward(const Step&, const Range& r, int, Workspace<T>&) override {
        const auto [from, to] = this->span(r);
        rescale(in[0]->data + from, out->data + from, to - from);
    }
    void backward(const Step&, const Range& r, int, Workspace<T>&) override {
        const auto [from, to] = this->span(r);
        this->write_gradient(0, from, to, [&](size_t i) { return Vec<T>(load(out->grad + i) * scale_); });
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        for (size_t r = 0; r < n; ++r) rescale(x[0].data + r * x[0].stride, y.data + r * y.stride, out->cols);
    }

  private:
    void rescale(const T* x, T* y, size_t n) const {
        each_lane(y, x, n, [&](Vec<T> v) { return Vec<T>(v * scale_ + shift_); });
    }
    T scale_, shift_;
};

// Each entry, or each channel of an image, is dropped by a random number of its own.
template <class T> class DropOut final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;
    using V = Vec<T>;

    static Signature signature() { return {.attributes = {"rate", "channelwise"}}; }
    DropOut(const Description& d, const Updater<T>&)
        : K_(d.number("channelwise") != 0 ? d.channels : 0), stream_(d.stream), rate_(d.number("rate")) {
        threshold_of(rate_);  // which checks it
    }

    bool gradient_in_position() const override { return true; }
    void reserve(size_t panels) override {
        mask_.get(panels * entries() * NR<T>);
        words_.get(panels * entries() * LANES<T>);
    }
    void forward(const Step& s, const Range& r, int, Workspace<T>&) override {
        const size_t count = entries();
        const double rate = s.dropout_rate(stream_, rate_);
        const uint64_t threshold = threshold_of(rate);
        const T keep_scale = T(1) / T(1 - rate);
        for (size_t p = r.first; p < r.last; ++p) {
            uint32_t* words = words_.get() + p * count * LANES<T>;
            for (int half = 0; half < rows_in<T>(s, p); half += LANES<T>) {
                for (int lane = 0; lane < std::min(LANES<T>, rows_in<T>(s, p) - half); ++lane)
                    philox_words(s.seed, uint32_t(stream_), uint64_t(s.number),
                                 ((s.first_panel + p) * NR<T> + size_t(half + lane)) * count, count,
                                 words + size_t(lane) * count);
                const auto factor = [&](int lane, size_t f) {
                    return words[size_t(lane) * count + f] >= threshold ? keep_scale : T(0);
                };
                T* m = mask_.get() + p * count * NR<T> + half;
                size_t f = 0;
                for (; f + LANES<T> <= count; f += LANES<T>) {  // rows of words become columns of the mask
                    V square[LANES<T>];
#pragma GCC unroll 1
                    for (int lane = 0; lane < LANES<T>; ++lane) {
                        T row[LANES<T>];
                        for (int i = 0; i < LANES<T>; ++i) row[i] = factor(lane, f + size_t(i));
                        square[lane] = load(row);
                    }
                    transpose<T>(square);
                    for (int i = 0; i < LANES<T>; ++i) store(m + (f + size_t(i)) * NR<T>, square[i]);
                }
                for (; f < count; ++f)
                    for (int lane = 0; lane < LANES<T>; ++lane) m[f * NR<T> + lane] = factor(lane, f);
            }
        }
        const auto [from, to] = this->span(r);
        for (size_t i = from; i < to; i += LANES<T>) store(out->data + i, load(in[0]->data + i) * load(mask_of(i)));
    }
    void backward(const Step&, const Range& r, int, Workspace<T>&) override {
        const auto [from, to] = this->span(r);
        this->write_gradient(0, from, to, [&](size_t i) { return load(out->grad + i) * load(mask_of(i)); });
    }
    // In prediction nothing is dropped.
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        for (size_t r = 0; r < n; ++r)
            std::memcpy(y.data + r * y.stride, x[0].data + r * x[0].stride, out->cols * sizeof(T));
    }

  private:
    size_t entries() const { return K_ ? K_ : out->cols; }
    const T* mask_of(size_t i) const {
        const size_t panel = out->cols * NR<T>;
        return mask_.get() + (i / panel * entries() * NR<T> + i % panel % (entries() * NR<T>));
    }

    size_t K_;  // channels, where each has one number for all positions
    int stream_;
    double rate_;
    Buffer<T> mask_;
    Buffer<uint32_t> words_;
};

}  // namespace pysmorch
