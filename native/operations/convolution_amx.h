// A convolution whose products are made of bfloat16 on the matrix unit, with sums in float. The weights proper stay
// float; copies in bfloat16, in tiles, are repacked where the weights change.
//
// Both ways are implicit GEMMs: an entry of A is a weight, B has 32 rows of the batch side by side for each pair of
// channels, and the taps of a row of the kernel, which meet neighbouring positions, are one stretch of pairs in both.
// For the gradient of the weights the reduction runs over the batch: a position's channels as they are stored are a
// tile of A, 16 pairs of rows of the batch for each.
#pragma once
#ifdef PYSMORCH_BF16
#include "kernels/amx.h"
#include "operations/convolution.h"
#include "operations/packed_filters.h"

namespace pysmorch {

class ConvolutionAmx final : public Convolution<float> {
  public:
    // Channels that make no tiles of some height would leave most of the unit idle.
    static bool pays(const Description& d) {
        if (!AmxTiles::usable() || d.number("groups") != 1) return false;
        const size_t channels = Geometry::of_windows(d).channels;
        return channels <= 16 || tile_height(channels) >= 8;
    }

    ConvolutionAmx(const Description& d, const Updater<float>& parameters)
        : Convolution<float>(d, parameters), height_(tile_height(C_)),
          forward_(C_, K_, g_.across.kernel, g_.across.dilation == 1, -g_.across.pad),
          backward_(K_, C_, g_.across.kernel, g_.across.dilation == 1 && g_.across.stride == 1,
                    g_.across.pad - g_.across.kernel + 1) {}

    void reserve(size_t panels) override {
        reserve_shards(panels);
        forward_.tiles.get(forward_.size(g_.down.kernel));
        if (in[0]->needs_grad) backward_.tiles.get(backward_.size(g_.down.kernel));
        zeros_.get(16 * P / 2);
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
                    multiply(forward_, from + p * in[0]->cols * P, size_t(g_.across.size), size_t(g_.across.out_size),
                             size_t(g_.across.stride), down_into_, across_into_, first, last, two(s, p), work, y,
                             [&](auto*, Vec<float> v, size_t k) { return is_simple() ? finished(v, k) : v; });
                    for (size_t row = first; !is_simple() && row < last; ++row)
                        finish_any(y + row * size_t(g_.across.out_size) * K_ * P);
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
    static constexpr size_t L = LANES<float>, P = NR<float>, TILE = 16;
    static constexpr size_t ROWS_AT_A_TIME = 256 << 10;      // bytes of rows of pairs, an eighth of an L2 cache
    static constexpr size_t GRADIENT_AT_A_TIME = 128 << 10;  // bytes of the output's gradient in tiles of B
    static constexpr int SOURCES = 6;  // tiles of A that meet one of B: as many sums as hide the unit's latency

    // The largest number of rows of a tile, into which the channels can be cut.
    static size_t tile_height(size_t channels) {
        size_t height = std::min(channels, TILE);
        while (channels % height != 0) --height;
        return height;
    }

    void finish_any(float* y) const { finish(y, size_t(g_.across.out_size), K_); }
    void finish_any(Bf16*) const {}

    // The copies of some rows of the weights (taps, then channels of the input).
    void repack(size_t first, size_t last) {
        const size_t height = size_t(g_.down.kernel), width = size_t(g_.across.kernel);
        alignas(64) uint16_t numbers[P];
        for (size_t row = first; row < last; ++row) {
            const size_t tap = row / C_, c = row % C_, dy = tap / width, dx = tap % width;
            for (size_t k = 0; k < K_; k += P) {
                const size_t count = std::min(P, K_ - k);
                const float* w = W_ + row * K_ + k;
                _mm512_store_si512(
                    numbers, row_of(load_up_to(w, count), count > L ? load_up_to(w + L, count - L) : Vec<float>{}));
                // Of one tile, a channel of the output is a row.
                for (size_t j = 0; j < count; j += TILE) {
                    uint16_t* to = reinterpret_cast<uint16_t*>(forward_.entry(k + j, height, dy, dx, c / 2)) + c % 2;
                    for (size_t i = 0; i < std::min(TILE, count - j); ++i, to += 2 * forward_.depth)
                        *to = numbers[j + i];
                }
                if (!in[0]->needs_grad) continue;
                const size_t across = backward_.joined ? width - 1 - dx : dx;
                for (size_t j = 0; j < count; j += 2)
                    std::memcpy(backward_.entry(c, height, dy, across, (k + j) / 2), numbers + j, sizeof(Pair));
            }
        }
    }

    // A row of positions in pairs of channels, from position `origin` on; there are zeros where the image ends.
    template <class E>
    static void pair_row(const PackedFilters& filters, const E* from, ptrdiff_t width, size_t positions, bool two,
                         Pair* to) {
        for (ptrdiff_t i = filters.origin; i < filters.origin + ptrdiff_t(positions); ++i, to += filters.pairs * P) {
            if (i < 0 || i >= width) {
                std::memset(to, 0, filters.pairs * P * sizeof(Pair));
                continue;
            }
            const E* x = from + size_t(i) * filters.from * P;
            for (size_t pair = 0; pair < filters.pairs; ++pair) {
                const size_t c = 2 * pair;
                pair_channels(c < filters.from ? x + c * P : nullptr, c + 1 < filters.from ? x + (c + 1) * P : nullptr,
                              two, to + pair * P);
            }
        }
    }
    static void pair_channels(const Bf16* a, const Bf16* b, bool two, Pair* to) {
        const __m512i above = a ? _mm512_loadu_si512(a) : __m512i{}, below = b ? _mm512_loadu_si512(b) : __m512i{};
        _mm512_storeu_si512(to, pairs_between(above, below, false));
        if (two) _mm512_storeu_si512(to + L, pairs_between(above, below, true));
    }
    static void pair_channels(const float* a, const float* b, bool two, Pair* to) {
        for (size_t half = 0; half < (two ? P : L); half += L)
            _mm512_storeu_si512(to + half,
                                pairs_of(a ? load(a + half) : Vec<float>{}, b ? load(b + half) : Vec<float>{}));
    }

    // Rows first .. last of what a filters makes of x, whose rows have `width` positions: `finished(where, sum,
    // channel)` is stored at y.
    template <class E, class O, class Finished>
    void multiply(const PackedFilters& filters, const E* x, size_t width, size_t out_width, size_t stride,
                  const std::vector<Taps>& down, const std::vector<Taps>& across, size_t first, size_t last, bool two,
                  Workspace<float>& work, O* y, Finished finished) const {
        [[maybe_unused]] const amx::Session session(filters.shapes());
        const size_t positions = filters.joined ? (out_width - 1) * stride + size_t(g_.across.kernel) : width,
                     row = positions * filters.pairs * P;
        const size_t at_a_time = std::max<size_t>(1, ROWS_AT_A_TIME / (row * sizeof(Pair)));
        each_group_of_rows(down, first, last, at_a_time, [&](size_t start, size_t end, size_t from, size_t to) {
            Pair* rows = reinterpret_cast<Pair*>(work.more.get((to - from) * row));
            for (size_t r = from; r < to; ++r)
                pair_row(filters, x + r * width * filters.from * P, ptrdiff_t(width), positions, two,
                         rows + (r - from) * row);
            for (size_t r = start; r < end; ++r) {
                Taps taps = down[r];
                taps.position -= ptrdiff_t(from);
                for (size_t k = 0; k < filters.to; k += 2 * TILE) {
                    const size_t channels = std::min(2 * TILE, filters.to - k);
                    for (size_t i = 0; i < out_width; ++i) {
                        multiply_position(filters, rows, row, taps, across[i], i * stride, k, channels > TILE, two,
                                          work.c);
                        O* at = y + (r * out_width + i) * filters.to * P + k * P;
                        for (size_t c = 0; c < channels; ++c) store_row(at + c * P, work.c + c * P, k + c, finished);
                    }
                }
            }
        });
    }
    template <class F> static void store_row(float* to, const float* sums, size_t k, F finished) {
        for (size_t half = 0; half < P; half += L) store(to + half, finished(to + half, load(sums + half), k));
    }
    template <class F> static void store_row(Bf16* to, const float* sums, size_t k, F finished) {
        const Vec<float> a = finished(to, load(sums), k), b = finished(to + L, load(sums + L), k);
        _mm512_storeu_si512(to, row_of(a, b));
    }

    // Up to 32 channels of one position for the rows of a panel: c (channels, P).
    void multiply_position(const PackedFilters& filters, const Pair* rows, size_t row, const Taps& down,
                           const Taps& across, size_t position, size_t k, bool lower, bool two, float* c) const {
        amx::zero_sums();
        const size_t height = size_t(g_.down.kernel), of_tile = height * filters.row_of_taps(),
                     of_stretch = filters.steps * TILE * filters.depth;
        const size_t count = filters.joined ? 1 : size_t(across.count);
        for (int o = 0; o < down.count; ++o) {
            const Pair* a_row = filters.tiles.get() +
                                (k / TILE * height + size_t(down.tap + o * down.tap_step)) * filters.row_of_taps();
            const Pair* b_row = rows + (down.position + o * down.move) * ptrdiff_t(row);
            for (size_t n = 0; n < count; ++n) {
                const Pair* a =
                    filters.joined ? a_row : a_row + (size_t(across.tap) + n * size_t(across.tap_step)) * of_stretch;
                const Pair* b =
                    b_row + (filters.joined ? position : size_t(across.position + ptrdiff_t(n) * across.move)) *
                                filters.pairs * P;
                for (size_t step = 0; step < filters.steps; ++step, a += TILE * filters.depth, b += filters.depth * P)
                    amx::add_products(a, a + of_tile, filters.depth, b, P, lower, two);
            }
        }
        amx::store_sums(c, P, lower, two);
    }

    template <class E, class F>
    void backward_panels(const Step& s, const Range& range, E* to, const F* g, Workspace<float>& work) const {
        const size_t width = size_t(g_.across.size);
        each_part(range, size_t(g_.down.size), [&](size_t p, size_t first, size_t last) {
            auto rows = [&](auto finished) {
                multiply(backward_, g + p * out->cols * P, size_t(g_.across.out_size), width, 1, down_from_,
                         across_from_, first, last, two(s, p), work, to + p * in[0]->cols * P, finished);
            };
            if (this->overwrite[0]) rows([](E*, Vec<float> v, size_t) { return v; });
            else rows([](E* at, Vec<float> v, size_t) { return load(at) + v; });
        });
    }

    // A position of x for the gradient of the weights: a tile of A is some channels, each with 16 pairs of rows of the
    // batch.
    struct Source {
        const Bf16* row;   // of the image, or null outside of it
        ptrdiff_t offset;  // of the position that the first output sees
    };

    template <class E, class F>
    void gradient_panels(const Step& s, const Range& range, const E* from, const F* y, F* g,
                         Workspace<float>& work) const {
        const size_t height = size_t(g_.down.out_size), width = size_t(g_.across.out_size),
                     row = size_t(g_.across.size) * C_ * P;
        const size_t blocks = stride() / TILE, position = blocks * TILE * TILE;
        const size_t at_a_time = std::max<size_t>(1, GRADIENT_AT_A_TIME / (width * position * sizeof(Pair)));
        amx::Shapes shapes = amx::WHOLE;
        for (int i = 0; i <= SOURCES; ++i) shapes[size_t(i)].rows = uint8_t(height_);
        each_shard(s, range, height, [&](size_t p, size_t shard, size_t start, size_t end) {
            clear(shard);
            const size_t lanes = size_t(rows_in<float>(s, p));
            const bool copied = !std::is_same_v<E, Bf16> || lanes < P;
            const E* x = from + p * in[0]->cols * P;
            for (size_t first = start; first < end; first += at_a_time) {
                const size_t last = std::min(end, first + at_a_time);
                size_t low = SIZE_MAX, high = 0;
                for (size_t r = first; r < last; ++r) {
                    const auto [a, b] = down_into_[r].range();
                    low = std::min(low, a);
                    high = std::max(high, b);
                }
                if (high < low) low = high = 0;
                const size_t tiles = (last - first) * width * position;
                float* room = work.more.get(tiles + (copied ? (high - low) * row / 2 : 0));
                Pair* transposed = reinterpret_cast<Pair*>(room);
                for (size_t r = first; r < last; ++r) {
                    const size_t at = (p * height + r) * width * K_ * P;
                    finish_back(g + at, y + at, width, K_, bias_sums(shard));
                    for (size_t i = 0; i < width; ++i)
                        transpose_position(g + at + i * K_ * P, lanes,
                                           transposed + ((r - first) * width + i) * position);
                }
                const Bf16* image;
                if (copied) {
                    Bf16* copy = reinterpret_cast<Bf16*>(room + tiles);
                    for (size_t i = 0; i < (high - low) * row; i += P)
                        _mm512_storeu_si512(copy + i, lanes_of(x + low * row + i, lanes));
                    image = copy - low * row;
                } else {
                    image = reinterpret_cast<const Bf16*>(x);
                }
                [[maybe_unused]] const amx::Session session(shapes);
                add_products(image, row, transposed, first, last, weight_sums(shard));
            }
        });
    }
    // A channel of a position as bfloat16, with zeros after the last row of the batch.
    static __m512i lanes_of(const Bf16* x, size_t lanes) {
        return _mm512_maskz_loadu_epi16(__mmask32((uint64_t(1) << lanes) - 1), x);
    }
    static __m512i lanes_of(const float* x, size_t lanes) {
        return _mm512_maskz_mov_epi16(__mmask32((uint64_t(1) << lanes) - 1), row_of(load(x), load(x + L)));
    }
    // Channels of a position, each with its rows of the batch, become pairs of rows, each with 16 channels: tiles of B.
    template <class F> void transpose_position(const F* g, size_t lanes, Pair* to) const {
        for (size_t k = 0; k < K_; k += TILE, to += TILE * TILE) {
            Vec<float> square[TILE];
            for (size_t i = 0; i < TILE; ++i)
                square[i] = k + i < K_ ? Vec<float>(lanes_of(g + (k + i) * P, lanes)) : Vec<float>{};
            transpose<float>(square);
            for (size_t i = 0; i < TILE; ++i) _mm512_storeu_si512(to + i * TILE, __m512i(square[i]));
        }
    }

    // Adds what rows first .. last of the output's gradient have to do with x to the sums (taps x channels, rows of
    // `stride`).
    void add_products(const Bf16* x, size_t row, const Pair* g, size_t first, size_t last, float* sums) const {
        const size_t tiles = C_ / height_, all = taps() * tiles, groups = (all + SOURCES - 1) / SOURCES;
        for (size_t group = 0; group < groups; ++group) {
            const size_t from = all * group / groups, to = all * (group + 1) / groups;
            switch (to - from) {
                case 1: add_group<1>(x, row, g, first, last, from, sums); break;
                case 2: add_group<2>(x, row, g, first, last, from, sums); break;
                case 3: add_group<3>(x, row, g, first, last, from, sums); break;
                case 4: add_group<4>(x, row, g, first, last, from, sums); break;
                case 5: add_group<5>(x, row, g, first, last, from, sums); break;
                default: add_group<SOURCES>(x, row, g, first, last, from, sums); break;
            }
        }
    }
    // Sources are ordered by row of taps, tile of channels and tap, so that neighbouring ones read the same positions.
    template <int N>
    void add_group(const Bf16* x, size_t row, const Pair* g, size_t first, size_t last, size_t from,
                   float* sums) const {
        const size_t width = size_t(g_.across.out_size), tiles = C_ / height_, across = size_t(g_.across.kernel),
                     blocks = stride() / TILE;
        for (size_t block = 0; block < blocks; ++block) {
            float* to[N];
            each_index<N>([&](auto i) {
                const size_t source = from + i, dy = source / (tiles * across), tile = source / across % tiles,
                             dx = source % across;
                to[i] = sums + ((dy * across + dx) * C_ + tile * height_) * stride() + block * TILE;
                amx::load<i>(to[i], stride() * 4);
            });
            for (size_t r = first; r < last; ++r) {
                Source sources[N];
                for (size_t i = 0; i < N; ++i) {
                    const size_t source = from + i, dy = source / (tiles * across), tile = source / across % tiles,
                                 dx = source % across;
                    const ptrdiff_t y = ptrdiff_t(r) * g_.down.stride - g_.down.pad + ptrdiff_t(dy) * g_.down.dilation;
                    sources[i].row = y < 0 || y >= g_.down.size ? nullptr : x + size_t(y) * row + tile * height_ * P;
                    sources[i].offset = ptrdiff_t(dx) * g_.across.dilation - g_.across.pad;
                }
                const Pair* b = g + ((r - first) * width * blocks + block) * TILE * TILE;
                for (size_t j = 0; j < width; ++j, b += blocks * TILE * TILE) {
                    amx::load<7>(b, TILE * 4);
                    each_index<N>([&](auto i) {
                        const ptrdiff_t position = ptrdiff_t(j) * g_.across.stride + sources[i].offset;
                        const bool inside = sources[i].row && position >= 0 && position < g_.across.size;
                        amx::load<6>(inside ? static_cast<const void*>(sources[i].row + size_t(position) * C_ * P)
                                            : zeros_.get(),
                                     P * 2);
                        amx::multiply<i, 6, 7>();
                    });
                }
            }
            each_index<N>([&](auto i) { amx::store<i>(to[i], stride() * 4); });
        }
    }
    template <int N, class F> static inline __attribute__((always_inline)) void each_index(F f) {
        [&]<int... I>(std::integer_sequence<int, I...>) {
            (f(std::integral_constant<int, I>{}), ...);
        }(std::make_integer_sequence<int, N>{});
    }

    size_t height_;  // of a tile of A for the gradient of the weights, in channels of the input
    PackedFilters forward_, backward_;
    Buffer<Pair> zeros_;
};

}  // namespace pysmorch
#endif
