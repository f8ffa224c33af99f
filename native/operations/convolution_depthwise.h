// A convolution in which each channel has one filter of its own: there is nothing that a matrix product could share.
#pragma once
#include "operations/filtering.h"

namespace pysmorch {

template <class T> class DepthwiseConvolution final : public Filtering<T> {
  public:
    using Filtering<T>::in;
    using Filtering<T>::out;
    using Filtering<T>::g_;

    static bool pays(const Description& d) {
        return d.number("channels") == d.number("groups") && d.number("out_channels") == d.number("groups");
    }

    DepthwiseConvolution(const Description& d, const Updater<T>& parameters)
        : Filtering<T>(d, parameters), bf16_(d.bf16) {}

    bool fits() const override {
        return in[0]->cols == g_.cols() && out->cols == g_.out_cols() &&
               (!this->b_ || this->bias_size_ == g_.out_channels);
    }
    typename Operation<T>::Bf16Values takes_bf16() const override {
        return bf16_ && this->is_simple() ? Operation<T>::Bf16Values::each : Operation<T>::Bf16Values::never;
    }

    void forward(const Step&, const Range& range, int, Workspace<T>&) override {
        with_storage(*in[0], [&](const auto* x, auto*) {
            with_storage(*out, [&](auto* y, auto*) { forward_panels(range, x, y); });
        });
    }
    int backward_phases() const override { return in[0]->needs_grad ? 2 : 1; }
    void backward(const Step& s, const Range& range, int phase, Workspace<T>&) override {
        with_storage(*in[0], [&](const auto* x, auto* to) {
            with_storage(*out, [&](const auto* y, auto* g) {
                if (phase == 0) gradient_panels(s, range, x, y, g);
                else backward_panels(range, to, g);
            });
        });
    }

    void predict(const std::vector<RowsOf<T>>& inputs, const RowsOf<T>& outputs, size_t n,
                 Workspace<T>&) const override {
        const size_t C = g_.channels, width = size_t(g_.across.out_size), kernel = size_t(g_.across.kernel);
        for (size_t row = 0; row < n; ++row) {
            const T* x = inputs[0].data + row * inputs[0].stride;
            T* y = outputs.data + row * outputs.stride;
            for (size_t r = 0; r < size_t(g_.down.out_size); ++r)
                for (size_t i = 0; i < width; ++i) {
                    const Taps &v = this->down_into_[r], &h = this->across_into_[i];
                    T* to = y + (r * width + i) * C;
                    std::memset(to, 0, C * sizeof(T));
                    for (int a = 0; a < v.count; ++a)
                        for (int b = 0; b < h.count; ++b) {
                            const T* w = this->W_ + (size_t(v.tap + a) * kernel + size_t(h.tap + b)) * C;
                            const T* from = x + (size_t(v.position + a * v.move) * size_t(g_.across.size) +
                                                 size_t(h.position + b * h.move)) *
                                                    C;
                            size_t c = 0;
                            for (; c + LANES<T> <= C; c += LANES<T>)
                                store(to + c, load(to + c) + load(w + c) * load(from + c));
                            if (c < C) {
                                const int rest = int(C - c);
                                store_part(to + c,
                                           load_part(to + c, rest) + load_part(w + c, rest) * load_part(from + c, rest),
                                           rest);
                            }
                        }
                }
            this->finish_row(y, g_.out_positions(), C);
        }
    }

  private:
    static constexpr size_t P = NR<T>, L = LANES<T>;

    template <class E, class F> void forward_panels(const Range& range, const E* x, F* y) const {
        each_part(range, size_t(g_.down.out_size), [&](size_t p, size_t first, size_t last) {
            F* to = y + p * g_.out_cols() * P;
            each_position(x + p * g_.cols() * P, size_t(g_.across.size), to, size_t(g_.across.out_size),
                          this->down_into_, this->across_into_, first, last,
                          [&](const F*, Vec<T> v, size_t c) { return this->is_simple() ? this->finished(v, c) : v; });
            if constexpr (std::is_same_v<F, T>)
                for (size_t r = first; !this->is_simple() && r < last; ++r)
                    this->finish(to + r * size_t(g_.across.out_size) * g_.channels * P, size_t(g_.across.out_size),
                                 g_.channels);
        });
    }
    template <class E, class F> void backward_panels(const Range& range, E* x, const F* g) const {
        const bool add = !this->overwrite[0];
        each_part(range, size_t(g_.down.size), [&](size_t p, size_t first, size_t last) {
            each_position(g + p * g_.out_cols() * P, size_t(g_.across.out_size), x + p * g_.cols() * P,
                          size_t(g_.across.size), this->down_from_, this->across_from_, first, last,
                          [&](const E* at, Vec<T> v, size_t) { return add ? load(at) + v : v; });
        });
    }
    // Rows first .. last of y from x; `finished(where, v, channel)` is what is written.
    template <class E, class F, class Finished>
    void each_position(const E* x, size_t in_width, F* y, size_t out_width, const std::vector<Taps>& down,
                       const std::vector<Taps>& across, size_t first, size_t last, Finished finished) const {
        const size_t C = g_.channels, kernel = size_t(g_.across.kernel);
        for (size_t r = first; r < last; ++r) {
            const Taps& v = down[r];
            for (size_t i = 0; i < out_width; ++i) {
                const Taps& h = across[i];
                F* to = y + (r * out_width + i) * C * P;
                for (size_t c = 0; c < C; ++c)
                    for (size_t half = 0; half < P; half += L) {
                        Vec<T> sum{};
                        for (int a = 0; a < v.count; ++a)
                            for (int b = 0; b < h.count; ++b) {
                                const size_t tap =
                                    size_t(v.tap + a * v.tap_step) * kernel + size_t(h.tap + b * h.tap_step);
                                const size_t position =
                                    size_t(v.position + a * v.move) * in_width + size_t(h.position + b * h.move);
                                sum += this->W_[tap * C + c] * load(x + (position * C + c) * P + half);
                            }
                        store(to + c * P + half, finished(to + c * P + half, sum, c));
                    }
            }
        }
    }

    template <class E, class F>
    void gradient_panels(const Step& s, const Range& range, const E* x, const F* y, F* g) const {
        const size_t height = size_t(g_.down.out_size), row = size_t(g_.across.out_size) * g_.channels * P;
        this->each_shard(s, range, height, [&](size_t p, size_t shard, size_t first, size_t last) {
            this->clear(shard);
            for (size_t r = first; r < last; ++r) {
                const size_t at = (p * height + r) * row;
                this->finish_back(g + at, y + at, size_t(g_.across.out_size), g_.channels, this->bias_sums(shard));
                add_sums(x + p * g_.cols() * P, g + at, r, rows_in<T>(s, p), this->weight_sums(shard));
            }
        });
    }
    // Adds what row r of the output, whose gradient is g, has to do with x.
    template <class E, class F> void add_sums(const E* x, const F* g, size_t r, int lanes, T* sums) const {
        const size_t C = g_.channels;
        const Taps v = g_.down.into(int(r));
        for (int a = 0; a < v.count; ++a)
            for (int tap = 0; tap < g_.across.kernel; ++tap) {
                const auto [from, to] = g_.across.outputs_of(tap);
                const ptrdiff_t row =
                    (v.position + a * v.move) * g_.across.size - g_.across.pad + ptrdiff_t(tap) * g_.across.dilation;
                for (size_t c = 0; c < C; ++c) {
                    Vec<T> halves[2]{};
                    for (size_t i = from; i < to; ++i) {
                        const E* p = x + (size_t(row + ptrdiff_t(i) * g_.across.stride) * C + c) * P;
                        const F* q = g + (i * C + c) * P;
                        halves[0] += load(p) * load(q);
                        halves[1] += load(p + L) * load(q + L);
                    }
                    T& sum = sums[size_t((v.tap + a) * g_.across.kernel + tap) * this->stride() + c];
                    for (int l = 0; l < lanes; ++l) sum += halves[size_t(l) / L][size_t(l) % L];
                }
            }
    }

    bool bf16_;
};

}  // namespace pysmorch
