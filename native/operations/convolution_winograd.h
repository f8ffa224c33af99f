// A convolution with filters of 3 x 3 in steps of one place, with fewer products (winograd.h). With S = Pair transformed numbers are
// multiplied as bfloat16, in pairs of channels or of rows of the batch, with sums in float.
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

    // With fewer channels the transforms cost more than the products they save; with more, a patch does not fit the second cache.
    static constexpr int FEWEST = 8, MOST = 256;
    // Products for a place, of which the plain sum needs nine: tiles reach over the border of an image that they do not divide.
    static constexpr double MOST_PRODUCTS = 6;

    static bool pays(const Description& d) {
        const Geometry g = Geometry::of_windows(d);
        double products = POINTS;
        for (const Axis& a : {g.down, g.across}) {
            if (a.kernel != 3 || a.stride != 1 || a.dilation != 1 || a.pad > 2) return false;
            products *= double(tiles(a.out_size)) / a.out_size;
        }
        for (size_t channels : {g.channels, g.out_channels})
            if (channels < size_t(FEWEST) || channels > size_t(MOST)) return false;
        return products <= MOST_PRODUCTS && d.number("groups") == 1;
    }

    WinogradConvolution(const Description& d, const Updater<T>& parameters) : Convolution<T>(d, parameters), C_(g_.channels), K_(g_.out_channels), KP_(round_up(K_, L)) {}

    void reserve(size_t panels) override {
        this->reserve_shards(panels);
        filters_.get(POINTS * (PAIRS ? K_ * entries(C_) : C_ * KP_));
        turned_.get(POINTS * C_ * turned_row());
        zeros_.get(std::max(C_, K_) * P);
    }
    void begin(Part part) override {
        const auto [first, last] = part.of((C_ + 1) / 2);   // pairs stay together
        transform_filters(2 * first, std::min(C_, 2 * last));
    }

    void forward(const Step& s, const Range& range, int, Workspace<T>& work) override {
        const size_t width = size_t(g_.across.out_size);
        each_part(range, tiles(g_.down.out_size), [&](size_t p, size_t first, size_t last) {
            const Image x{in[0]->panel(p), g_.down.size, g_.across.size, C_}, y{out->panel(p), g_.down.out_size, g_.across.out_size, K_};
            multiply<PAIRS ? Form::rows : Form::columns>(filters_.get(), PAIRS ? entries(C_) : KP_, PAIRS ? K_ * entries(C_) : C_ * KP_, x, -g_.down.pad, -g_.across.pad, y, first, last, this->two(s, p), false, work,
                                    [&](size_t r) { this->finish(out->panel(p) + r * width * K_ * P, width, K_); });
        });
    }

    void backward(const Step& s, const Range& range, int phase, Workspace<T>& work) override {
        if (phase == 1) {
            each_part(range, tiles(g_.down.size), [&](size_t p, size_t first, size_t last) {
                const Image y{out->grad_panel(p), g_.down.out_size, g_.across.out_size, K_}, x{in[0]->grad_panel(p), g_.down.size, g_.across.size, C_};
                multiply<Form::rows>(turned_.get(), turned_row(), C_ * turned_row(), y, g_.down.pad - 2, g_.across.pad - 2, x, first, last, this->two(s, p), !this->first[0], work, [](size_t) {});
            });
            return;
        }
        const size_t height = size_t(g_.down.out_size), width = size_t(g_.across.out_size), rows = tiles(g_.down.out_size);
        const size_t count = this->shards_of_panel(s.panels);
        each_part(range, count, [&](size_t p, size_t from, size_t to) {
            for (size_t i = from; i < to; ++i) {
                const size_t shard = p * count + i;
                std::memset(this->weight_sums(shard), 0, this->shard_size() * sizeof(T));
                for (size_t r = rows * i / count; r < rows * (i + 1) / count; ++r) {
                    for (size_t row = TILE * r; row < std::min(height, TILE * r + TILE); ++row) {
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
        // An even number, so that pairs stay together.
        const size_t at_a_time = std::min(Workspace<T>::SIZE / (9 * KP_) / 2 * 2, round_up((C_ + 7) / 8, 2));
        for (size_t c = 0; c < C_; c += at_a_time)
            tasks.push_back({0, 0, c, std::min(C_, c + at_a_time), double(at_a_time * POINTS * KP_ * s.panels * this->shards_of_panel(s.panels))});
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
                auto sum = [&](size_t row, size_t column) {
                    const T* sums = this->weight_sums(0) + ((row * PATCH + column) * C_ + task.first + c) * KP_ + k;
                    Vec<T> total = load(sums);
                    for (size_t shard = 1; shard < shards; ++shard) total += load(sums + shard * this->shard_size());
                    return total;
                };
                const size_t tap = channels * KP_ / L;
                winograd::to_gradient<F>(sum, vectors(work.c + c * KP_ + k), {3 * tap, tap});
            }
        for (size_t tap = 0; tap < 9; ++tap)
            updater.take(this->place_ + (tap * C_ + task.first) * K_, K_, channels, K_, work.c + tap * channels * KP_, KP_);
        if (updater.spec.clip_norm <= 0) transform_filters(task.first, task.last);
    }

  protected:
    size_t weight_sums_size() const override { return POINTS * C_ * KP_; }
    int rows_to_cut() const override { return int(tiles(g_.down.out_size)); }

  private:
    static constexpr bool PAIRS = !std::is_same_v<T, S>;
    using F = std::conditional_t<PAIRS, winograd::TwoByTwo, winograd::FourByFour>;
    static constexpr size_t L = LANES<T>, P = WIDE<T>, D = DEPTH<T, S>, TILE = F::TILE, PATCH = F::PATCH, POINTS = PATCH * PATCH;
    static constexpr size_t PATCHES_FIT = (512 << 10) / sizeof(S);   // entries of patches that are kept for the gradient: half a second cache

    struct Image {
        T* data;
        int height, width;
        size_t channels;

        winograd::Steps steps() const { return {size_t(width) * channels * (P / L), channels * (P / L)}; }
        T* at(ptrdiff_t row, ptrdiff_t column) const { return data + (row * width + column) * ptrdiff_t(channels * P); }
    };

    static constexpr size_t tiles(int size) { return size_t(size + int(TILE) - 1) / TILE; }
    static size_t entries(size_t channels) { return PAIRS ? (channels + 1) / 2 : channels; }
    // From a point of a patch to the next: a vector more than its entries, since multiples of a page would share few lines of a cache.
    static size_t point_of(size_t entries) { return entries * P + L; }
    size_t turned_row() const { return PAIRS ? round_up(K_, P) / 2 : KP_; }
    // Where the points of a square are that are so many numbers apart.
    static winograd::Steps points(size_t numbers) { return {PATCH * numbers / L, numbers / L}; }
    static constexpr winograd::Steps side_by_side{PATCH, 1};
    static Vec<T>* vectors(T* numbers) { return reinterpret_cast<Vec<T>*>(numbers); }
    static const Vec<T>* vectors(const T* numbers) { return reinterpret_cast<const Vec<T>*>(numbers); }

    // Filters first .. last of the input's channels, and the same turned by 180 degrees, for the way back.
    void transform_filters(size_t first, size_t last) {
        for (size_t c = first; c < last; c += PAIRS ? 2 : 1)
            for (size_t k = 0; k < K_; k += L) {
                if constexpr (PAIRS) {
                    Vec<T> u[POINTS], v[POINTS]{};
                    transform_filter(c, k, false, u, side_by_side);
                    if (c + 1 < C_) transform_filter(c + 1, k, false, v, side_by_side);
                    store_filters(c, k, u, v);
                    for (size_t i = c; i < std::min(C_, c + 2); ++i) {
                        transform_filter(i, k, true, u, side_by_side);
                        store_turned(i, k, u);
                    }
                } else {
                    transform_filter(c, k, false, vectors(filters_.get() + c * KP_ + k), points(C_ * KP_));
                    transform_filter(c, k, true, vectors(turned_.get() + c * KP_ + k), points(C_ * KP_));
                }
            }
    }
    void transform_filter(size_t c, size_t k, bool turned, Vec<T>* to, winograd::Steps steps) const {
        const int columns = int(std::min(L, K_ - k));
        auto tap = [&](size_t row, size_t column) {
            const size_t t = 3 * row + column;
            return load_part(this->W_ + ((turned ? 8 - t : t) * C_ + c) * K_ + k, columns);
        };
        winograd::to_filter<F>(tap, to, steps);
    }

    // The places of a patch whose upper left one is (top, left), some of which may be outside of the image, where all is zero.
    struct Patch {
        const T* places[POINTS];

        Patch(const Image& x, ptrdiff_t top, ptrdiff_t left, const T* zeros) {
            for (ptrdiff_t r = 0; r < ptrdiff_t(PATCH); ++r)
                for (ptrdiff_t c = 0; c < ptrdiff_t(PATCH); ++c) {
                    const bool inside = top + r >= 0 && top + r < x.height && left + c >= 0 && left + c < x.width;
                    places[size_t(r) * PATCH + size_t(c)] = inside ? x.at(top + r, left + c) : zeros;
                }
        }
        // Vector `at` of the places becomes points.
        void transform(size_t at, Vec<T>* to, winograd::Steps steps) const {
            winograd::to_patch<F>([&](size_t row, size_t column) { return load(places[row * PATCH + column] + at); }, to, steps);
        }
    };
    // For a product over channels.
    void transform_patch(const Image& x, ptrdiff_t top, ptrdiff_t left, S* to) const {
        const Patch patch(x, top, left, zeros_.get());
        const size_t point = point_of(entries(x.channels));
        if constexpr (PAIRS) {
            Vec<T> v[POINTS], w[POINTS]{};
            for (size_t c = 0; c < x.channels; c += 2)
                for (size_t half = 0; half < P; half += L) {
                    patch.transform(c * P + half, v, side_by_side);
                    if (c + 1 < x.channels) patch.transform((c + 1) * P + half, w, side_by_side);
                    else std::fill(w, w + POINTS, Vec<T>{});
                    for (size_t t = 0; t < POINTS; ++t) store_pairs(to + t * point + c / 2 * P + half, v[t], w[t]);
                }
        } else {
            for (size_t i = 0; i < x.channels * P; i += L) patch.transform(i, vectors(to + i), points(point));
        }
    }
    // For a product over rows of the batch.
    void transform_patch_of_rows(const Image& x, ptrdiff_t top, ptrdiff_t left, S* to, size_t point) const {
        const Patch patch(x, top, left, zeros_.get());
        if constexpr (PAIRS) {
            Vec<T> v[POINTS], w[POINTS];
            for (size_t c = 0; c < x.channels; ++c) {
                patch.transform(c * P, v, side_by_side);
                patch.transform(c * P + L, w, side_by_side);
                for (size_t t = 0; t < POINTS; ++t) store_row(to + t * point + c * D, v[t], w[t]);
            }
        } else {
            for (size_t i = 0; i < x.channels * P; i += L) patch.transform(i, vectors(to + i), points(point));
        }
    }
#ifdef PYSMORCH_BF16
    static void store_pairs(Pair* to, Vec<float> a, Vec<float> b) { _mm512_storeu_si512(to, pairs_of(a, b)); }
    static void store_row(Pair* to, Vec<float> a, Vec<float> b) { _mm512_storeu_si512(to, row_of(a, b)); }
    // Filters of channels c and c + 1 for outputs k .. k + L: pairs of inputs for each output.
    void store_filters(size_t c, size_t k, const Vec<float> (&u)[POINTS], const Vec<float> (&v)[POINTS]) {
        const size_t pairs = entries(C_);
        const __mmask16 mask = __mmask16((1u << std::min(L, K_ - k)) - 1);
        const __m512i rows = _mm512_mullo_epi32(_mm512_set1_epi32(int(pairs)), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
        for (size_t t = 0; t < POINTS; ++t)
            _mm512_mask_i32scatter_epi32(filters_.get() + (t * K_ + k) * pairs + c / 2, mask, rows, pairs_of(u[t], v[t]), 4);
    }
    // Pairs of outputs for an input.
    void store_turned(size_t c, size_t k, const Vec<float> (&u)[POINTS]) {
        for (size_t t = 0; t < POINTS; ++t)
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(turned_.get() + (t * C_ + c) * turned_row() + k / 2), __m256i(_mm512_cvtneps_pbh(u[t])));
    }
#endif

    // The rows of tiles first .. last of y from x, whose place (top, left) is the first that the filter sees. Filters of a point have
    // rows of `stride` entries, and are `filter` entries from those of the next.
    template <Form FORM, class Done>
    void multiply(const S* filters, size_t stride, size_t filter, const Image& x, int top, int left, const Image& y, size_t first, size_t last, bool two,
                  bool add, Workspace<T>& work, Done&& done) const {
        const size_t depth = entries(x.channels);
        T* products = work.more.get(POINTS * (point_of(x.channels) + point_of(y.channels)));
        S* patch = reinterpret_cast<S*>(products + POINTS * point_of(y.channels));
        Walk walk = stretch(depth);
        walk.products = POINTS;
        walk.a_product = ptrdiff_t(filter);
        walk.b_product = ptrdiff_t(point_of(depth));
        walk.c_product = ptrdiff_t(point_of(y.channels));
        for (size_t r = first; r < last; ++r) {
            const size_t rows = std::min(TILE, size_t(y.height) - TILE * r);
            for (size_t j = 0; j < size_t(y.width); j += TILE) {
                transform_patch(x, ptrdiff_t(TILE * r) + top, ptrdiff_t(j) + left, patch);
                for (size_t t = 0; t < num_tiles(y.channels); ++t) {
                    const size_t f = tile_start(y.channels, t), height = tile_start(y.channels, t + 1) - f;
                    tile_of<T, FORM, S>(int(height), two)(filters + (FORM == Form::rows ? f * stride : f), stride, patch, P, walk, products + f * P, P, false);
                }
                const size_t columns = std::min(TILE, size_t(y.width) - j);
                for (size_t i = 0; i < y.channels * P; i += L) {
                    const auto product = winograd::entries_at(vectors(const_cast<const T*>(products) + i), points(point_of(y.channels)));
                    if (rows == TILE && columns == TILE && !add) {
                        winograd::to_places<F>(product, vectors(y.at(ptrdiff_t(TILE * r), ptrdiff_t(j)) + i), y.steps());
                        continue;
                    }
                    Vec<T> places[TILE * TILE];
                    winograd::to_places<F>(product, places, {TILE, 1});
                    for (size_t a = 0; a < rows; ++a)
                        for (size_t b = 0; b < columns; ++b) {
                            T* to = y.at(ptrdiff_t(TILE * r + a), ptrdiff_t(j + b)) + i;
                            store(to, add ? load(to) + places[a * TILE + b] : places[a * TILE + b]);
                        }
                }
            }
            for (size_t i = TILE * r; i < TILE * r + rows; ++i) done(i);
        }
    }

    // Adds what a row of tiles of the output's gradient has to do with the input to the gradients of the transformed filters.
    void add_gradients(const T* x, const T* y, size_t r, size_t lanes, T* sums, Workspace<T>& work) const {
        const size_t width = size_t(g_.across.out_size), count = tiles(g_.across.out_size), height = std::min(TILE, size_t(g_.down.out_size) - TILE * r);
        const size_t of_x = C_ * D + L, of_y = KP_ * D + L, one = POINTS * (of_x + of_y), at_a_time = std::max<size_t>(1, std::min(count, PATCHES_FIT / one));
        const size_t turned = at_a_time * TILE * TILE * KP_ * P + P;
        T* rows = work.more.get(turned + at_a_time * one);
        S *patches = reinterpret_cast<S*>(rows + turned), *tiles_points = patches + at_a_time * POINTS * of_x;
        const Image image{const_cast<T*>(x), g_.down.size, g_.across.size, C_};
        for (size_t start = 0; start < count; start += at_a_time) {
            const size_t here = std::min(at_a_time, count - start), places = std::min(TILE * here, width - TILE * start), row = places * KP_ * P;
            for (size_t i = 0; i < here; ++i)
                transform_patch_of_rows(image, ptrdiff_t(TILE * r) - g_.down.pad, ptrdiff_t(TILE * (start + i)) - g_.across.pad, patches + i * POINTS * of_x, of_x);
            for (size_t a = 0; a < height; ++a) this->turn(y + ((TILE * r + a) * width + TILE * start) * K_ * P, places, lanes, rows + a * row);
            for (size_t i = 0; i < here; ++i)
                transform_places(rows, row, places, height, i, lanes, tiles_points + i * POINTS * of_y, of_y);
            Walk walk;
            walk.outer = here;
            walk.depth = walk.last = PAIRS ? (lanes + 1) / 2 : lanes;
            walk.a_outer = ptrdiff_t(POINTS * of_x);
            walk.b_outer = ptrdiff_t(POINTS * of_y);
            walk.products = POINTS;
            walk.a_product = ptrdiff_t(of_x);
            walk.b_product = ptrdiff_t(of_y);
            walk.c_product = ptrdiff_t(C_ * KP_);
            for (size_t k = 0; k < K_; k += P)
                for (size_t t = 0; t < num_tiles(C_); ++t) {
                    const size_t c = tile_start(C_, t), channels = tile_start(C_, t + 1) - c;
                    tile_of<T, Form::panels, S>(int(channels), K_ - k > L)(patches + c * D, 0, tiles_points + k, KP_, walk, sums + c * KP_ + k, KP_, true);
                }
        }
    }

    // Tile i of some rows of places, in rows of the batch (see `turn`), becomes points: [point][row or pair of rows][channel].
    void transform_places(const T* rows, size_t row, size_t places, size_t height, size_t i, size_t lanes, S* to, size_t point) const {
        const size_t width = std::min(TILE, places - TILE * i);
        for (size_t block = 0; block < K_; block += P) {
            const size_t wide = block_width(K_, block, L);
            auto transform = [&](size_t lane, size_t k, Vec<T>* points_of, winograd::Steps steps) {
                const T* from = rows + block * places * P + (TILE * i * P + lane) * wide + k;
                auto place = [&](size_t a, size_t b) { return a < height && b < width ? load(from + a * row + b * P * wide) : Vec<T>{}; };
                winograd::to_points<F>(place, points_of, steps);
            };
            for (size_t lane = 0; lane < lanes; lane += PAIRS ? 2 : 1)
                for (size_t k = 0; k < wide; k += L) {
                    if constexpr (PAIRS) {
                        Vec<T> v[POINTS], w[POINTS]{};
                        transform(lane, k, v, side_by_side);
                        if (lane + 1 < lanes) transform(lane + 1, k, w, side_by_side);
                        for (size_t t = 0; t < POINTS; ++t) store_pairs(to + t * point + lane / 2 * KP_ + block + k, v[t], w[t]);
                    } else {
                        transform(lane, k, vectors(to + lane * KP_ + block + k), points(point));
                    }
                }
        }
    }

    size_t C_, K_, KP_;
    Buffer<T> zeros_;              // a place outside of an image
    // Transformed filters, as they are and turned: [point][channel of the input][channel of the output], or, as they are and in pairs,
    // [point][channel of the output][pair of channels of the input].
    Buffer<S> filters_, turned_;
};

}  // namespace pysmorch
