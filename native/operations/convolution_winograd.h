// A convolution with filters of 3 x 3 in steps of one place, with 16 products for four places (winograd.h). With S = Pair the transformed
// numbers are multiplied as bfloat16, with sums in float.
#pragma once
#include "../bf16.h"
#include "../winograd.h"
#include "convolution.h"

namespace pysmorch {

template <class T, class S = T> class WinogradConvolution final : public Convolution<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;
    using Convolution<T>::g_;

    // Below, transforms cost more than the products they save; above, a patch does not fit the second cache.
    static constexpr int FEWEST = 8, MOST = 256;

    static bool pays(const Description& d) {
        const Geometry g = Geometry::of_windows(d);
        for (const Axis& a : {g.down, g.across})
            if (a.kernel != 3 || a.stride != 1 || a.dilation != 1 || a.pad > 2) return false;
        for (size_t channels : {g.channels, g.out_channels})
            if (channels < size_t(FEWEST) || channels > size_t(MOST)) return false;
        return d.number("groups") == 1;
    }

    WinogradConvolution(const Description& d, const Updater<T>& parameters) : Convolution<T>(d, parameters), C_(g_.channels), K_(g_.out_channels), KP_(round_up(K_, L)) {
        require(pays(d), "conv2d: another kind of filters was expected");
    }

    void reserve(size_t panels) override {
        this->reserve_shards(panels);
        filters_.get(winograd::POINTS * C_ * (PAIRS ? round_up(K_, P) / 2 : KP_) + P);
        if (PAIRS) across_.get(winograd::POINTS * K_ * entries(C_));
    }
    void begin(Part part) override {
        const auto [first, last] = part.of(C_);
        transform_filters(first, last);
    }

    void forward(const Step& s, const Range& range, int, Workspace<T>& work) override {
        const size_t width = size_t(g_.across.out_size);
        each_part(range, tile_rows(g_.down.out_size), [&](size_t p, size_t first, size_t last) {
            const Image x{in[0]->panel(p), g_.down.size, g_.across.size, C_}, y{out->panel(p), g_.down.out_size, g_.across.out_size, K_};
            multiply<false>(x, -g_.down.pad, -g_.across.pad, y, first, last, this->two(s, p), false, work,
                                    [&](size_t r) { this->finish(out->panel(p) + r * width * K_ * P, width, K_); });
        });
    }

    void backward(const Step& s, const Range& range, int phase, Workspace<T>& work) override {
        if (phase == 1) {
            each_part(range, tile_rows(g_.down.size), [&](size_t p, size_t first, size_t last) {
                const Image y{out->grad_panel(p), g_.down.out_size, g_.across.out_size, K_}, x{in[0]->grad_panel(p), g_.down.size, g_.across.size, C_};
                multiply<true>(y, g_.down.pad - 2, g_.across.pad - 2, x, first, last, this->two(s, p), !this->first[0], work, [](size_t) {});
            });
            return;
        }
        const size_t height = size_t(g_.down.out_size), width = size_t(g_.across.out_size), rows = tile_rows(g_.down.out_size);
        const size_t count = this->shards_of_panel(s.panels);
        each_part(range, count, [&](size_t p, size_t from, size_t to) {
            for (size_t i = from; i < to; ++i) {
                const size_t shard = p * count + i;
                std::memset(this->weight_sums(shard), 0, this->shard_size() * sizeof(T));
                for (size_t r = rows * i / count; r < rows * (i + 1) / count; ++r) {
                    for (size_t row = 2 * r; row < std::min(height, 2 * r + 2); ++row) {
                        const size_t at = row * width * K_ * P;
                        this->finish_back(out->grad_panel(p) + at, out->panel(p) + at, width, K_, this->bias_sums(shard));
                    }
                    add_gradients(in[0]->panel(p), out->grad_panel(p), r, size_t(rows_in<T>(s, p)), this->weight_sums(shard), work);
                }
            }
        });
    }

    // A task is some channels of the input, with all taps.
    void add_tasks(const Step& s, std::vector<Task>& tasks) const override {
        const size_t at_a_time = std::max<size_t>(1, std::min(Workspace<T>::SIZE / (9 * KP_), round_up((C_ + 7) / 8, 2)));
        for (size_t c = 0; c < C_; c += at_a_time)
            tasks.push_back({0, 0, c, std::min(C_, c + at_a_time), double(at_a_time * winograd::POINTS * KP_ * s.panels * this->shards_of_panel(s.panels))});
        this->add_bias_task(s, tasks);
    }
    void gradient(const Step& s, const Task& task, const Updater<T>& updater, Workspace<T>& work) override {
        if (task.which < 0) {
            this->bias_gradient(s, updater, work);
            return;
        }
        const size_t channels = task.last - task.first, shards = s.panels * this->shards_of_panel(s.panels);
        for (size_t c = 0; c < channels; ++c)
            for (size_t k = 0; k < K_; k += L) {
                Vec<T> u[winograd::POINTS], g[9];
                for (size_t t = 0; t < winograd::POINTS; ++t) {
                    const T* sums = this->weight_sums(0) + (t * C_ + task.first + c) * KP_ + k;
                    u[t] = load(sums);
                    for (size_t shard = 1; shard < shards; ++shard) u[t] += load(sums + shard * this->shard_size());
                }
                winograd::filter_gradient(u, g);
                for (size_t tap = 0; tap < 9; ++tap) store(work.c + (tap * channels + c) * KP_ + k, g[tap]);
            }
        for (size_t tap = 0; tap < 9; ++tap)
            updater.take(this->place_ + (tap * C_ + task.first) * K_, K_, channels, K_, work.c + tap * channels * KP_, KP_);
        if (updater.spec.clip_norm <= 0) transform_filters(task.first, task.last);
    }

  protected:
    size_t weight_sums_size() const override { return winograd::POINTS * C_ * KP_; }
    int rows_to_cut() const override { return int(tile_rows(g_.down.out_size)); }

  private:
    static constexpr size_t L = LANES<T>, P = WIDE<T>;
    static constexpr bool PAIRS = !std::is_same_v<T, S>;
    static constexpr size_t TILES_FIT = (512 << 10) / sizeof(S);   // entries of patches that are kept for the gradient: half a second cache

    struct Image {
        T* data;
        int height, width;
        size_t channels;
    };
    using Points = Vec<T>[winograd::POINTS];

    // From a point of a patch to the next: a vector more than its entries, since multiples of a page would share few lines of a cache.
    static size_t point_of(size_t entries) { return entries * P + L; }
    static size_t point_of_rows(size_t channels) { return channels * DEPTH<T, S> + L; }
    static size_t tile_rows(int height) { return size_t(height + 1) / 2; }
    static size_t entries(size_t channels) { return PAIRS ? (channels + 1) / 2 : channels; }

    void transform_filters(size_t first, size_t last) {
        Points u, v{};
        for (size_t c = first; c < last; c += PAIRS ? 2 : 1)
            for (size_t k = 0; k < K_; k += L) {
                transform_filter(c, k, u);
                if constexpr (PAIRS) {
                    if (c + 1 < C_) transform_filter(c + 1, k, v);
                    else std::fill(v, v + winograd::POINTS, Vec<T>{});
                    store_filters(c, k, u, v);
                } else {
                    for (size_t t = 0; t < winograd::POINTS; ++t) store(filters_.get() + (t * C_ + c) * KP_ + k, u[t]);
                }
            }
    }
    void transform_filter(size_t c, size_t k, Points& u) const {
        Vec<T> g[9];
        const int columns = int(std::min(L, K_ - k));
        for (size_t tap = 0; tap < 9; ++tap) g[tap] = load_part(this->W_ + (tap * C_ + c) * K_ + k, columns);
        winograd::transform_filter(g, u);
    }

    static winograd::Patches<T> patches_of(const Image& x) { return {x.data, x.height, x.width, x.channels * P}; }

    // One channel of a patch, or two that become pairs; its points are in the order of the filters.
    template <bool TURNED> static void transform_patch(const Image& x, ptrdiff_t top, ptrdiff_t left, S* to) {
        const auto patches = patches_of(x);
        const size_t point = point_of(entries(x.channels));
        Points half, other{};
        Vec<T> row[4], other_row[4];
        for (size_t c = 0; c < x.channels; c += PAIRS ? 2 : 1)
            for (size_t at = 0; at < P; at += L) {
                patches.columns(top, left, c * P + at, half);
                if (PAIRS) {
                    if (c + 1 < x.channels) patches.columns(top, left, (c + 1) * P + at, other);
                    else std::fill(other, other + winograd::POINTS, Vec<T>{});
                }
                for (size_t i = 0; i < 4; ++i) {
                    winograd::patch_row(half, i, row);
                    if (PAIRS) winograd::patch_row(other, i, other_row);
                    for (size_t j = 0; j < 4; ++j) {
                        S* here = to + (TURNED ? winograd::turned(4 * i + j) : 4 * i + j) * point + at;
                        if constexpr (PAIRS) store_pairs(here + c / 2 * P, row[j], other_row[j]);
                        else store(here + c * P, row[j]);
                    }
                }
            }
    }
    // The same for the gradient, whose sums run over the rows of the batch.
    static void transform_patch_of_rows(const Image& x, ptrdiff_t top, ptrdiff_t left, S* to) {
        const auto patches = patches_of(x);
        const size_t point = point_of_rows(x.channels);
        Points half, other;
        Vec<T> row[4], other_row[4];
        for (size_t c = 0; c < x.channels; ++c) {
            patches.columns(top, left, c * P, half);
            patches.columns(top, left, c * P + L, other);
            for (size_t i = 0; i < 4; ++i) {
                winograd::patch_row(half, i, row);
                winograd::patch_row(other, i, other_row);
                for (size_t j = 0; j < 4; ++j) {
                    S* here = to + (4 * i + j) * point + c * DEPTH<T, S>;
                    if constexpr (PAIRS) {
                        store_row(here, row[j], other_row[j]);
                    } else {
                        store(here, row[j]);
                        store(here + L, other_row[j]);
                    }
                }
            }
        }
    }
#ifdef PYSMORCH_BF16
    static void store_pairs(Pair* to, Vec<float> a, Vec<float> b) { _mm512_storeu_si512(to, pairs_of(a, b)); }
    static void store_row(Pair* to, Vec<float> a, Vec<float> b) { _mm512_storeu_si512(to, row_of(a, b)); }
    // Transformed filters of channels c and c + 1, for outputs k .. k + L: pairs of outputs for each input, pairs of inputs for each output.
    void store_filters(size_t c, size_t k, const Points& u, const Points& v) {
        const size_t outputs = round_up(K_, P), pairs = entries(C_);
        const __mmask16 mask = __mmask16((1u << std::min(L, K_ - k)) - 1);
        const __m512i rows = _mm512_mullo_epi32(_mm512_set1_epi32(int(pairs)), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
        for (size_t t = 0; t < winograd::POINTS; ++t) {
            Bf16* along = reinterpret_cast<Bf16*>(filters_.get()) + (t * C_ + c) * outputs + k;
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(along), __m256i(_mm512_cvtneps_pbh(u[t])));
            if (c + 1 < C_) _mm256_storeu_si256(reinterpret_cast<__m256i*>(along + outputs), __m256i(_mm512_cvtneps_pbh(v[t])));
            _mm512_mask_i32scatter_epi32(across_.get() + (t * K_ + k) * pairs + c / 2, mask, rows, pairs_of(u[t], v[t]), 4);
        }
    }
#endif

    // Rows 2 first .. 2 last of y from x, whose place (top, left) is the first that the filter sees. Turned, the filters go
    // from outputs to inputs.
    template <bool TURNED, class Done>
    void multiply(const Image& x, int top, int left, const Image& y, size_t first, size_t last, bool two, bool add, Workspace<T>& work, Done&& done) const {
        using namespace winograd;
        constexpr Form FORM = TURNED || PAIRS ? Form::rows : Form::columns;
        const size_t depth = entries(x.channels), stride = PAIRS ? (TURNED ? round_up(K_, P) / 2 : depth) : KP_;
        T* products = work.more.get(POINTS * (point_of(x.channels) + point_of(y.channels)));
        S* patch = reinterpret_cast<S*>(products + POINTS * point_of(y.channels));
        const S* filters = PAIRS && !TURNED ? across_.get() : filters_.get();
        const size_t point = PAIRS && !TURNED ? K_ * stride : C_ * stride;
        const size_t tiles = num_tiles(y.channels), row = size_t(y.width) * y.channels * P;
        Walk walk = stretch(depth);
        walk.products = POINTS;
        walk.a_product = ptrdiff_t(point);
        walk.b_product = ptrdiff_t(point_of(depth));
        walk.c_product = ptrdiff_t(point_of(y.channels));
        for (size_t r = first; r < last; ++r) {
            for (int left_of_y = 0; left_of_y < y.width; left_of_y += 2) {
                transform_patch<TURNED>(x, ptrdiff_t(2 * r) + top, left_of_y + left, patch);
                for (size_t tile = 0; tile < tiles; ++tile) {
                    const size_t f = tile_start(y.channels, tile), height = tile_start(y.channels, tile + 1) - f;
                    tile_of<T, FORM, S>(int(height), two)(FORM == Form::rows ? filters + f * stride : filters + f, stride, patch, P, walk,
                                                          products + f * P, P, false);
                }
                const bool below = 2 * r + 1 < size_t(y.height), behind = left_of_y + 1 < y.width;
                T* to = y.data + (2 * r * size_t(y.width) + size_t(left_of_y)) * y.channels * P;
                for (size_t i = 0; i < y.channels * P; i += L) {
                    Vec<T> m[POINTS], four[4];
                    for (size_t t = 0; t < POINTS; ++t) m[t] = load(products + (TURNED ? turned(t) : t) * point_of(y.channels) + i);
                    places_of(m, four);
                    auto put = [&](T* at, const Vec<T>& v) { store(at, add ? load(at) + v : v); };
                    put(to + i, four[0]);
                    if (behind) put(to + y.channels * P + i, four[1]);
                    if (below) put(to + row + i, four[2]);
                    if (below && behind) put(to + row + y.channels * P + i, four[3]);
                }
            }
            for (size_t i = 2 * r; i < std::min(size_t(y.height), 2 * r + 2); ++i) done(i);
        }
    }

    // Adds what rows 2 r and 2 r + 1 of the output's gradient have to do with the input to the gradients of the transformed filters.
    void add_gradients(const T* x, const T* y, size_t r, size_t lanes, T* sums, Workspace<T>& work) const {
        using namespace winograd;
        const size_t width = size_t(g_.across.out_size), count = (width + 1) / 2;
        constexpr size_t D = DEPTH<T, S>;
        const size_t of_x = point_of_rows(C_), of_y = KP_ * D + L, one = POINTS * (of_x + of_y), at_a_time = std::max<size_t>(1, std::min(count, TILES_FIT / one));
        T* rows = work.more.get(at_a_time * (one + 4 * KP_ * P) + P);
        S *patches = reinterpret_cast<S*>(rows + at_a_time * 4 * KP_ * P), *points = patches + at_a_time * POINTS * of_x;
        const Image image{const_cast<T*>(x), g_.down.size, g_.across.size, C_};
        const bool below = 2 * r + 1 < size_t(g_.down.out_size);
        for (size_t start = 0; start < count; start += at_a_time) {
            const size_t tiles = std::min(at_a_time, count - start), places = std::min(2 * tiles, width - 2 * start);
            for (size_t i = 0; i < tiles; ++i)
                transform_patch_of_rows(image, ptrdiff_t(2 * r) - g_.down.pad, ptrdiff_t(2 * (start + i)) - g_.across.pad, patches + i * POINTS * of_x);
            const T* from = y + (2 * r * width + 2 * start) * K_ * P;
            T* second = rows + places * KP_ * P;
            this->turn(from, places, lanes, rows);
            if (below) this->turn(from + width * K_ * P, places, lanes, second);
            for (size_t block = 0; block < K_; block += P) {
                const size_t wide = block_width(K_, block, L);
                for (size_t i = 0; i < tiles; ++i) {
                    const bool behind = 2 * i + 1 < places;
                    auto points_at = [&](size_t lane, size_t k, Points& m) {
                        const size_t at = block * places * P + (2 * i * P + lane) * wide + k;
                        const Vec<T> zero{};
                        const Vec<T> four[4] = {load(rows + at), behind ? load(rows + at + P * wide) : zero, below ? load(second + at) : zero,
                                                below && behind ? load(second + at + P * wide) : zero};
                        points_of(four, m);
                    };
                    Points m, n{};
                    for (size_t lane = 0; lane < lanes; lane += PAIRS ? 2 : 1)
                        for (size_t k = 0; k < wide; k += L) {
                            points_at(lane, k, m);
                            if constexpr (PAIRS) {
                                if (lane + 1 < lanes) points_at(lane + 1, k, n);
                                else std::fill(n, n + POINTS, Vec<T>{});
                                for (size_t t = 0; t < POINTS; ++t) store_pairs(points + (i * POINTS + t) * of_y + lane / 2 * KP_ + block + k, m[t], n[t]);
                            } else {
                                for (size_t t = 0; t < POINTS; ++t) store(points + (i * POINTS + t) * of_y + lane * KP_ + block + k, m[t]);
                            }
                        }
                }
            }
            Walk walk;
            walk.outer = tiles;
            walk.depth = walk.last = PAIRS ? (lanes + 1) / 2 : lanes;
            walk.a_outer = ptrdiff_t(POINTS * of_x);
            walk.b_outer = ptrdiff_t(POINTS * of_y);
            for (size_t t = 0; t < POINTS; ++t)
                for (size_t k = 0; k < K_; k += P)
                    for (size_t tile = 0; tile < num_tiles(C_); ++tile) {
                        const size_t c = tile_start(C_, tile), height = tile_start(C_, tile + 1) - c;
                        tile_of<T, Form::panels, S>(int(height), K_ - k > L)(patches + t * of_x + c * D, 0, points + t * of_y + k, KP_, walk,
                                                                             sums + (t * C_ + c) * KP_ + k, KP_, true);
                    }
        }
    }

    size_t C_, K_, KP_;
    Buffer<S> filters_;   // transformed: [point][channel of the input][channel of the output]
    Buffer<S> across_;    // and the other way round, where they are pairs
};

}  // namespace pysmorch
