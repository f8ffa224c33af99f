// Normalize (each channel over the batch and all positions), LayerNormalize (each position over its channels) and
// GroupNormalize.
#pragma once
#include "kernels/activations.h"
#include "operations/geometry.h"

namespace pysmorch {

// activation(scale (x - mean) / sqrt(variance + epsilon) + bias + other), where all but the middle may be missing:
// Scale, Bias, Add and the activation that follow are taken in, so that an image is read and written once each way.
template <class T> class Normalize final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;
    using V = Vec<T>;

    static Signature signature() {
        return {
            .most_inputs = 2, .attributes = {"momentum", "epsilon"}, .fuses = {"scale", "bias", "sum", "activation"}};
    }
    Normalize(const Description& d, const Updater<T>& parameters)
        : K_(d.channels), scale_(d.parameter("scale").as<T>()), bias_(d.parameter("bias").as<T>()),
          scale_offset_(parameters.offset_of(scale_)), bias_offset_(parameters.offset_of(bias_)),
          activation_(activation_named(d.activation)), bf16_(d.bf16), epsilon_(d.number("epsilon")),
          momentum_(d.number("momentum")) {
        require(d.states.size() == 2 && d.states[0].second == K_ && d.states[1].second == K_,
                "Normalize needs a running mean and a running variance");
        for (const Parameter& p : d.parameters) d.row(p.name.c_str());
        mean_ = d.states[0].first;
        variance_ = d.states[1].first;
    }

    bool gradient_reads_values() const override { return false; }
    bool gradient_in_position() const override { return true; }
    typename Operation<T>::Bf16Values takes_bf16() const override {
        return bf16_ && is_simple(activation_) ? Operation<T>::Bf16Values::together : Operation<T>::Bf16Values::never;
    }

    void reserve(size_t panels) override {
        (void)panels;
        shift_.get(4 * K_);
        batch_.get(2 * K_);
    }
    void reserve_moments(size_t total_panels) override { sums_.get((total_panels + SHARDS) * 3 * K_); }

    // The sums of all shards of the batch are known to each part of it that is computed for itself: a mean is the same
    // number for all of them, and so are the sums of the backward pass, which are the gradients of scale and bias.
    bool has_moments() const override { return true; }
    typename Operation<T>::Moments moments(const Step& s) const override {
        return {sums_.get(), shards_of_panel(s) * 3 * K_};
    }
    void take_moments(const Step& s, bool backward) override {
        if (backward) return;
        std::vector<T> shift(3 * K_);
        combine(s, shift.data(), true);
    }
    void end_step() override {
        for (size_t k = 0; k < K_; ++k) keep_running(k, batch_.get()[k], batch_.get()[K_ + k], count_);
    }

    // First sums over shards of the batch, then, when all are there, what is made of them.
    int forward_phases() const override { return 2; }
    bool forward_by_feature(const Step& s, int phase) const override {
        return phase == 1 || s.panels % size_t(s.threads) != 0;
    }
    void forward(const Step& s, const Range& r, int phase, Workspace<T>& work) override {
        if (phase == 0) {
            each_shard(s, r, [&](size_t p, size_t shard, size_t first, size_t last) {
                sum_up(s, p, first, last, sums(shard), work);
            });
            return;
        }
        T* shift = work.more.get(3 * K_);
        combine(s, shift, !s.is_shard && r.part.index == 0 && r.first == 0);
        with_storage(*out, [&](auto* y, auto*) {
            const auto* x = numbers(this->x(), y);
            const auto* other = in.size() > 1 ? numbers(*in[0], y) : nullptr;
            each_shard(s, r, [&](size_t p, size_t, size_t first, size_t last) {
                for (size_t position = first; position < last; ++position)
                    for (size_t k = 0; k < K_; ++k)
                        for (int half = 0; half < NR<T>; half += LANES<T>) {
                            const size_t i = (p * out->cols + position * K_ + k) * NR<T> + half;
                            V v = (load(x + i) - shift[k]) * shift[K_ + k] + shift[2 * K_ + k];
                            if (other) v += load(other + i);
                            store(y + i, activation_ == Activation::relu ? vmax<T>(V{}, v) : v);
                        }
            });
        });
        if (is_simple(activation_)) return;
        each_shard(s, r, [&](size_t p, size_t, size_t first, size_t last) {
            T* y = out->panel(p) + first * K_ * NR<T>;
            activate<T>(activation_, T(0), y, y, (last - first) * K_ * NR<T>);
        });
    }

    int backward_phases() const override { return x().needs_grad ? 2 : 1; }
    bool backward_by_feature(const Step& s, int phase) const override { return forward_by_feature(s, phase); }
    void backward(const Step& s, const Range& r, int phase, Workspace<T>& work) override {
        if (phase == 0) {
            each_shard(s, r, [&](size_t p, size_t shard, size_t first, size_t last) {
                sum_up_back(s, p, first, last, sums(shard), work);
            });
            return;
        }
        T* of = work.more.get(2 * K_);
        const double count = double(s.total) * double(positions());
        for (size_t k = 0; k < K_; ++k) {
            const double inverse = double(inverse_std(k));
            const double slope = along(s, k) * inverse * inverse / count;
            of[k] = T(total(s, 0, k) / count - slope * double(shift_.get()[3 * K_ + k]));
            of[K_ + k] = T(slope);
        }
        const T* shift = shift_.get();
        with_storage(*out, [&](auto* y, auto* g) {
            const auto* x = numbers(this->x(), y);
            each_shard(s, r, [&](size_t p, size_t, size_t first, size_t last) {
                for (size_t position = first; position < last; ++position)
                    for (size_t k = 0; k < K_; ++k) {
                        const size_t i = (p * out->cols + position * K_ + k) * NR<T>;
                        this->write_gradient(in.size() - 1, grad_of(this->x(), y), i, i + NR<T>, [&](size_t j) {
                            return V((load(g + j) - of[k] - (load(x + j) - shift[k]) * of[K_ + k]) * shift[K_ + k]);
                        });
                    }
            });
        });
    }

    void add_tasks(const Step& s, std::vector<Task>& tasks) const override {
        const double work = double(s.panels) * double(K_);
        if (scale_) tasks.push_back({0, 0, 0, K_, work});
        if (bias_) tasks.push_back({0, 1, 0, K_, work});
    }
    void gradient(const Step& s, const Task& task, const Updater<T>& updater, Workspace<T>& work) override {
        if (updater.holds) return;
        for (size_t k = 0; k < K_; k += NR<T>) {
            const size_t count = std::min<size_t>(NR<T>, K_ - k);
            for (size_t i = 0; i < count; ++i)
                work.c[i] = T(task.which == 0 ? along(s, k + i) * double(inverse_std(k + i)) : total(s, 0, k + i));
            updater.take((task.which == 0 ? scale_offset_ : bias_offset_) + k, K_, 1, count, work.c, NR<T>);
        }
    }

    // With the running statistics.
    void reserve_rows(size_t) override { shift_.get(3 * K_); }
    void prepare(Part part) override {
        if (part.index > 0) return;
        for (size_t k = 0; k < K_; ++k) set_shift(shift_.get(), k, mean_[k], 1 / std::sqrt(variance_[k] + epsilon_));
    }
    void predict(const std::vector<RowsOf<T>>& inputs, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        const T* shift = shift_.get();
        const RowsOf<T>&from = inputs.back(), &other = inputs.front();
        for (size_t r = 0; r < n; ++r) {
            T* row = y.data + r * y.stride;
            for (size_t f = 0; f < out->cols; f += K_) {
                T* to = row + f;
                each_lane(to, from.data + r * from.stride + f, shift, K_, [](auto a, auto b) { return a - b; });
                each_lane(to, to, shift + K_, K_, [](auto a, auto b) { return a * b; });
                each_lane(to, to, shift + 2 * K_, K_, [](auto a, auto b) { return a + b; });
            }
            if (inputs.size() > 1)
                each_lane(row, row, other.data + r * other.stride, out->cols, [](auto a, auto b) { return a + b; });
            if (activation_ != Activation::none) activate<T>(activation_, T(0), row, row, out->cols);
        }
    }

  private:
    static constexpr size_t SHARDS = 4;  // at least, for the batch
    static constexpr size_t POSITIONS_AT_A_TIME =
        64;  // are summed in T, these sums in double; they stay in the L2 cache

    // What is normalized; another value, which is added, comes before it.
    const Value<T>& x() const { return *in.back(); }
    size_t positions() const { return out->cols / K_; }
    size_t shards_of_panel(const Step& s) const {
        return std::min(positions(), (SHARDS + s.total_panels - 1) / s.total_panels);
    }
    double* sums(size_t shard) const { return sums_.get() + shard * 3 * K_; }
    T inverse_std(size_t k) const { return shift_.get()[2 * K_ + k]; }

    struct Two {
        V first, second;
    };

    template <class F> void each_shard(const Step& s, const Range& r, F f) const {
        const size_t count = shards_of_panel(s);
        each_part(r, count, [&](size_t p, size_t from, size_t to) {
            for (size_t i = from; i < to; ++i)
                f(p, (s.first_panel + p) * count + i, positions() * i / count, positions() * (i + 1) / count);
        });
    }
    // The numbers or the gradients of another value, which are stored as those that are given.
    template <class E> static E* numbers(const Value<T>& v, E*) { return reinterpret_cast<E*>(v.data); }
    template <class E> static E* grad_of(const Value<T>& v, E*) { return reinterpret_cast<E*>(v.grad); }

    // Sums both parts of f(vector, channel) over positions and the rows of the batch.
    template <class F>
    void sum_pairs(const Step& s, size_t p, size_t first, size_t last, double* sums, Workspace<T>& work, F f) const {
        T* lanes = work.more.get(2 * K_ * NR<T>);
        const int rows = rows_in<T>(s, p);
        std::fill(sums, sums + 2 * K_, 0.0);
        for (size_t start = first; start < last; start += POSITIONS_AT_A_TIME) {
            const size_t end = std::min(last, start + POSITIONS_AT_A_TIME);
            std::memset(lanes, 0, 2 * K_ * NR<T> * sizeof(T));
            for (size_t position = start; position < end; ++position)
                for (size_t k = 0; k < K_; ++k)
                    for (int half = 0; half < NR<T>; half += LANES<T>) {
                        const auto [u, v] = f((p * out->cols + position * K_ + k) * NR<T> + half, k);
                        T* to = lanes + 2 * k * NR<T> + half;
                        store(to, load(to) + u);
                        store(to + NR<T>, load(to + NR<T>) + v);
                    }
            for (size_t k = 0; k < K_; ++k)
                for (int l = 0; l < rows; ++l) {
                    sums[k] += double(lanes[2 * k * NR<T> + size_t(l)]);
                    sums[K_ + k] += double(lanes[(2 * k + 1) * NR<T> + size_t(l)]);
                }
        }
    }
    // Of a shard: sums of x and of its square, both less a number that is near the mean, which is stored too.
    void sum_up(const Step& s, size_t p, size_t first, size_t last, double* sums, Workspace<T>& work) const {
        double* near = sums + 2 * K_;
        with_storage(x(), [&](auto* x, auto*) {
            const size_t start = (p * out->cols + first * K_) * NR<T>;
            for (size_t k = 0; k < K_; ++k) near[k] = double(load(x + start + k * NR<T>)[0]);
            sum_pairs(s, p, first, last, sums, work, [&](size_t i, size_t k) {
                const V d = load(x + i) - T(near[k]);
                return Two{d, d * d};
            });
        });
    }
    // Of the gradient before the activation, which replaces that after it, and of its product with x less the
    // mean.
    void sum_up_back(const Step& s, size_t p, size_t first, size_t last, double* sums, Workspace<T>& work) const {
        const T* shift = shift_.get();
        const bool other = in.size() > 1;
        if (!is_simple(activation_)) {
            const size_t from = (first * K_) * NR<T>, count = (last - first) * K_ * NR<T>;
            const T* y = out->panel(p) + from;
            T* g = out->grad_panel(p) + from;
            activate_back<T>(activation_, T(0), y, y, g, g, count);
        }
        with_storage(*out, [&](auto* y, auto* gradient) {
            const auto* x = numbers(this->x(), y);
            sum_pairs(s, p, first, last, sums, work, [&](size_t i, size_t k) {
                V g = load(gradient + i);
                if (activation_ == Activation::relu) {
                    g = load(y + i) > V{} ? g : V{};
                    store(gradient + i, g);
                }
                if (other) this->write_gradient(0, grad_of(*in[0], y), i, i + LANES<T>, [&](size_t) { return g; });
                return Two{g, g * (load(x + i) - shift[k])};
            });
        });
    }
    double total(const Step& s, int which, size_t k) const {
        double sum = 0;
        for (size_t shard = 0; shard < s.total_panels * shards_of_panel(s); ++shard)
            sum += sums(shard)[size_t(which) * K_ + k];
        return sum;
    }
    // Mean, factor and bias of each channel from the sums of the shards; one thread keeps them, with 1 / deviation, and
    // the running ones.
    void combine(const Step& s, T* shift, bool keep) {
        const size_t shards = shards_of_panel(s);
        const double count = double(s.total) * double(positions());
        for (size_t k = 0; k < K_; ++k) {
            double mean = 0, squares = 0;
            for (int pass = 0; pass < 2; ++pass)
                for (size_t p = 0; p < s.total_panels; ++p)
                    for (size_t i = 0; i < shards; ++i) {
                        const double *of = sums(p * shards + i),
                                     rows = double(std::min<size_t>(NR<T>, s.total - p * NR<T>));
                        const double n = rows * double(positions() * (i + 1) / shards - positions() * i / shards),
                                     here = of[2 * K_ + k] + of[k] / n;
                        if (pass == 0) mean += here * (n / count);
                        else squares += of[K_ + k] - of[k] * of[k] / n + n * (here - mean) * (here - mean);
                    }
            const double variance = std::max(0.0, squares / count), inverse = 1 / std::sqrt(variance + epsilon_);
            const T low = set_shift(shift, k, mean, inverse);
            if (!keep) continue;
            set_shift(shift_.get(), k, mean, inverse);
            shift_.get()[2 * K_ + k] = T(inverse);
            shift_.get()[3 * K_ + k] = low;
            if (!s.is_shard) {
                keep_running(k, mean, variance, count);
                continue;
            }
            batch_.get()[k] = mean;
            batch_.get()[K_ + k] = variance;
            count_ = count;
        }
    }
    // Statistics of the batch become a part of the running ones.
    void keep_running(size_t k, double mean, double variance, double count) const {
        mean_[k] += momentum_ * (mean - mean_[k]);
        if (count > 1) variance_[k] += momentum_ * (variance * (count / (count - 1)) - variance_[k]);
    }
    // Of the gradient and x less the mean, the sum of their product: `sums` have x less the mean in T.
    double along(const Step& s, size_t k) const {
        return total(s, 1, k) - double(shift_.get()[3 * K_ + k]) * total(s, 0, k);
    }
    // The mean is subtracted in two parts, the second with the bias: where numbers are far from 0, one T is too coarse.
    T set_shift(T* shift, size_t k, double mean, double inverse) const {
        const T high = T(mean), low = T(mean - double(high)), factor = scale_ ? T(inverse) * scale_[k] : T(inverse);
        shift[k] = high;
        shift[K_ + k] = factor;
        shift[2 * K_ + k] = (bias_ ? bias_[k] : T(0)) - low * factor;
        return low;
    }

    size_t K_;
    const T *scale_, *bias_;
    size_t scale_offset_, bias_offset_;  // among the parameters
    Activation activation_;
    bool bf16_;
    double epsilon_, momentum_;
    double *mean_ = nullptr, *variance_ = nullptr;
    Buffer<T> shift_;       // mean, factor, in training 1 / deviation, in prediction bias; the rest of the mean
    Buffer<double> sums_;   // of each shard of the batch
    Buffer<double> batch_;  // mean and variance of a batch whose step is not made yet
    double count_ = 0;      // of its numbers
};

}  // namespace pysmorch
