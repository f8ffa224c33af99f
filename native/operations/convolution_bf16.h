// A convolution whose products are made of bfloat16, with sums in float. The weights proper stay float; copies in
// bfloat16 are repacked where the weights change.
#pragma once
#ifdef PYSMORCH_BF16
#include "operations/convolution.h"

namespace pysmorch {

class ConvolutionBf16 final : public Convolution<float> {
  public:
    static bool pays(const Description& d) { return d.number("groups") == 1; }

    ConvolutionBf16(const Description& d, const Updater<float>& parameters)
        : Convolution<float>(d, parameters), C2_((C_ + 1) / 2), backward_row_(round_up(K_, P) / 2) {}

    void reserve(size_t panels) override {
        reserve_shards(panels);
        packed_forward_.get(K_ * taps() * C2_);
        packed_backward_.get((taps() * C_ + 1) * backward_row_);
    }
    void begin(Part part) override {
        const auto [first, last] = part.of(taps());
        repack(first * C_, last * C_);
    }

    Bf16Values takes_bf16() const override { return is_simple() ? Bf16Values::each : Bf16Values::never; }

    void forward(const Step& s, const Range& range, int, Workspace<float>& work) override {
        with_storage(*in[0], [&](const auto* from, auto*) {
            with_storage(*out, [&](auto* to, auto*) {
                each_part(range, size_t(g_.down.out_size), [&](size_t p, size_t first, size_t last) {
                    auto* y = to + p * out->cols * P;
                    multiply(from + p * in[0]->cols * P, size_t(g_.across.size), C_,
                             {packed_forward_.get(), taps() * C2_, C2_, 0}, size_t(g_.across.out_size), K_, down_into_,
                             across_into_, first, last, two(s, p), work, [&](size_t row, const float* sums) {
                                 each_number(sums, y + row * size_t(g_.across.out_size) * K_ * P,
                                             size_t(g_.across.out_size), K_, [&](auto*, Vec<float> v, size_t k) {
                                                 return is_simple() ? finished(v, k) : v;
                                             });
                                 if (!is_simple()) finish_any(y + row * size_t(g_.across.out_size) * K_ * P);
                             });
                });
            });
        });
    }

    void backward(const Step& s, const Range& range, int phase, Workspace<float>& work) override {
        with_storage(*in[0], [&](const auto* x, auto* to) {
            with_storage(*out, [&](const auto* y, auto* g) {
                if (phase == 0) gradient_panels(s, range, x, y, g, work);
                else backward_panels(s, range, to, g, work);
            });
        });
    }

    void gradient(const Step& s, const Task& task, const Updater<float>& updater, Workspace<float>& work) override {
        Convolution<float>::gradient(s, task, updater, work);
        if (task.which >= 0 && !updater.holds && updater.spec.clip_norm <= 0) repack(task.first, task.last);
    }

  private:
    static constexpr size_t L = LANES<float>, P = NR<float>, D = K_PER_PANEL<float, Pair>;
    static constexpr size_t ROWS_AT_A_TIME = 256 << 10;  // bytes of rows of pairs, a quarter of a L2 cache

    void finish_any(float* y) const { finish(y, size_t(g_.across.out_size), K_); }
    void finish_any(Bf16*) const {}

    // Copies of some rows of the weights (taps, then channels of the input).
    void repack(size_t first, size_t last) {
        Bf16 *forward = reinterpret_cast<Bf16*>(packed_forward_.get()),
             *backward = reinterpret_cast<Bf16*>(packed_backward_.get());
        for (size_t row = first; row < last;) {
            const size_t tap = row / C_, c = row % C_, count = std::min({L, last - row, C_ - c});
            for (size_t k = 0; k < K_; k += P)
                copy_both_ways(W_ + row * K_ + k, K_, count, int(std::min(P, K_ - k)),
                               forward + (k * taps() + tap) * C2_ * 2 + c, taps() * C2_ * 2,
                               backward + row * backward_row_ * 2 + k, backward_row_ * 2);
            row += count;
        }
    }

    // ImageLayout with `channels` numbers become pairs of channels; with an odd number, the last one has a zero.
    template <class E> static void pair_channels(const E* from, size_t positions, size_t channels, Pair* to) {
        for (size_t i = 0; i < positions; ++i, from += channels * P)
            for (size_t c = 0; c < channels; c += 2, to += P)
                for (size_t half = 0; half < P; half += L)
                    _mm512_storeu_si512(to + half,
                                        pairs_of(load(from + c * P + half),
                                                 c + 1 < channels ? load(from + (c + 1) * P + half) : Vec<float>{}));
    }
    // Writes f(where, number, channel) for each number of some positions.
    template <class E, class F>
    static void each_number(const float* from, E* to, size_t positions, size_t channels, F f) {
        for (size_t i = 0; i < positions * channels; ++i)
            for (size_t half = 0; half < P; half += L)
                store(to + i * P + half, f(to + i * P + half, load(from + i * P + half), i % channels));
    }

    // Rows first .. last of a convolution of x, or of the adjoint of one: `done(row, sums)`.
    template <class E, class Done>
    void multiply(const E* x, size_t width, size_t channels, const Filters<Pair>& filters, size_t out_width,
                  size_t out_channels, const std::vector<Taps>& down, const std::vector<Taps>& across, size_t first,
                  size_t last, bool two, Workspace<float>& work, Done done) const {
        const size_t pairs = (channels + 1) / 2, row = width * pairs * P, row_of_sums = out_width * out_channels * P;
        const size_t at_a_time = std::max<size_t>(1, ROWS_AT_A_TIME / (row * sizeof(Pair)));
        each_group_of_rows(down, first, last, at_a_time, [&](size_t start, size_t end, size_t from, size_t to) {
            float* sums = work.more.get(row_of_sums + (to - from) * row);
            Pair* rows = reinterpret_cast<Pair*>(sums + row_of_sums);
            pair_channels(x + from * width * channels * P, (to - from) * width, channels, rows);
            for (size_t r = start; r < end; ++r) {
                Taps taps = down[r];
                taps.position -= ptrdiff_t(from);
                convolve_row<float, Pair, Form::rows>(filters, size_t(g_.across.kernel), 1, rows, {width, pairs, pairs},
                                                      sums, {out_width, out_channels, out_channels}, taps, across, two,
                                                      false);
                done(r, sums);
            }
        });
    }
    template <class E, class F>
    void backward_panels(const Step& s, const Range& range, E* to, const F* g, Workspace<float>& work) const {
        const size_t width = size_t(g_.across.size);
        each_part(range, size_t(g_.down.size), [&](size_t p, size_t first, size_t last) {
            E* x = to + p * in[0]->cols * P;
            multiply(g + p * out->cols * P, size_t(g_.across.out_size), K_,
                     {packed_backward_.get(), backward_row_, C_ * backward_row_, 0}, width, C_, down_from_,
                     across_from_, first, last, two(s, p), work, [&](size_t row, const float* sums) {
                         E* positions = x + row * width * C_ * P;
                         if (this->overwrite[0])
                             each_number(sums, positions, width, C_, [](E*, Vec<float> v, size_t) { return v; });
                         else
                             each_number(sums, positions, width, C_,
                                         [](E* at, Vec<float> v, size_t) { return load(at) + v; });
                     });
        });
    }

    template <class E, class F>
    void gradient_panels(const Step& s, const Range& range, const E* from, const F* y, F* g,
                         Workspace<float>& work) const {
        const size_t height = size_t(g_.down.out_size), width = size_t(g_.across.out_size),
                     row = size_t(g_.across.size) * C_ * P;
        const size_t at_a_time = std::max<size_t>(1, std::min(width, Workspace<float>::SIZE / (round_up(K_, L) * P)));
        const size_t transposed = at_a_time * round_up(K_, L) * P + P, pairs = transposed / 2;
        each_shard(s, range, height, [&](size_t p, size_t shard, size_t start, size_t end) {
            clear(shard);
            for (size_t r = start; r < end; ++r) {
                const size_t at = (p * height + r) * width * K_ * P, lanes = size_t(rows_in<float>(s, p));
                finish_back(g + at, y + at, width, K_, bias_sums(shard));
                const auto [low, high] = g_.down.into(int(r)).range();
                const size_t rows_of_x = high > low ? high - low : 0,
                             copied = std::is_same_v<E, float> ? rows_of_x * row / 2 : 0;
                float* room = work.more.get(transposed + pairs + copied);
                // Pairs of rows of the batch: x as bfloat16 has them as it is.
                const Pair* x = reinterpret_cast<const Pair*>(from + p * in[0]->cols * P);
                size_t above = 0;
                if constexpr (std::is_same_v<E, float>) {
                    Pair* copy = reinterpret_cast<Pair*>(room + transposed + pairs);
                    above = rows_of_x > 0 ? low : 0;
                    const float* numbers = from + p * in[0]->cols * P + above * row;
                    for (size_t k = 0; k < rows_of_x * row; k += P)
                        _mm512_storeu_si512(copy + k / 2, row_of(load(numbers + k), load(numbers + k + L)));
                    x = copy;
                }
                for (size_t first = 0; first < width; first += at_a_time) {
                    const size_t last = std::min(width, first + at_a_time);
                    transpose_positions(g + at + first * K_ * P, last - first, lanes, room);
                    Pair* rows = reinterpret_cast<Pair*>(room + transposed);
                    pair_rows(room, last - first, lanes, rows);
                    add_products<float, Pair>(g_, 1, x, rows, r, first, last, (lanes + 1) / 2, weight_sums(shard),
                                              stride(), above);
                }
            }
        });
    }
    // What `transpose_positions` makes, in pairs of rows of the batch.
    void pair_rows(const float* from, size_t positions, size_t lanes, Pair* to) const {
        for (size_t block = 0; block < K_; block += P) {
            const size_t width = block_width(K_, block, L);
            for (size_t i = 0; i < positions; ++i)
                for (size_t lane = 0; lane < lanes; lane += 2)
                    for (size_t k = 0; k < width; k += L) {
                        const float* row = from + block * positions * P + (i * P + lane) * width + k;
                        _mm512_storeu_si512(to + block * positions * D + (i * D + lane / 2) * width + k,
                                            pairs_of(load(row), lane + 1 < lanes ? load(row + width) : Vec<float>{}));
                    }
        }
    }

    size_t C2_, backward_row_;
    // [channel of the output][tap][pair of channels of the input], and [tap][channel of the input][pair of channels of
    // the output].
    Buffer<Pair> packed_forward_, packed_backward_;
};

}  // namespace pysmorch
#endif
