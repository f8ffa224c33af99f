// A convolution with filters of 3 x 3 in steps of one position, with fewer products (winograd.h). With S = Pair
// transformed numbers are multiplied as bfloat16, in pairs of channels or of rows of the batch, with sums in float.
#pragma once
#include "operations/convolution.h"
#include "operations/winograd_tiles.h"

namespace pysmorch {

template <class T, class S = T> class WinogradConvolution final : public Convolution<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;
    using Convolution<T>::g_;

    // With fewer channels the transforms cost more than the products they save; with more, a patch does not fit the L2
    // cache.
    static constexpr int FEWEST = 8, MOST = 256;
    // Products for a position, of which the plain sum needs nine: tiles reach over the border of an image that they do
    // not divide.
    static constexpr double MOST_PRODUCTS = 6;

    static bool pays(const Description& d) {
        const Geometry g = Geometry::of_windows(d);
        for (const Axis& a : {g.down, g.across})
            if (a.kernel != 3 || a.stride != 1 || a.dilation != 1 || a.pad > 2) return false;
        const double products = double(POINTS) *
                                double(Tiles::tiles_down(g.down.out_size) * Tiles::tiles_across(g.across.out_size)) /
                                double(g.out_positions());
        for (size_t channels : {g.channels, g.out_channels})
            if (channels < size_t(FEWEST) || channels > size_t(MOST)) return false;
        return products <= MOST_PRODUCTS && d.number("groups") == 1;
    }

    WinogradConvolution(const Description& d, const Updater<T>& parameters)
        : Convolution<T>(d, parameters), C_(g_.channels), K_(g_.out_channels), KP_(round_up(K_, L)) {}

    void reserve(size_t panels) override {
        Convolution<T>::reserve(panels);
        filters_.get(POINTS * (PAIRS ? K_ * Tiles::entries(C_) : C_ * KP_));
        rotated_.get(POINTS * C_ * rotated_row());
        zeros_.get(std::max(C_, K_) * P);
    }
    void begin(Part part) override {
        const auto [first, last] = part.of((C_ + 1) / 2);  // pairs stay together
        transform_filters(2 * first, std::min(C_, 2 * last));
    }

    typename Operation<T>::Bf16Values takes_bf16() const override {
        return PAIRS && this->is_simple() ? Operation<T>::Bf16Values::each : Operation<T>::Bf16Values::never;
    }

    void forward(const Step& s, const Range& range, int, Workspace<T>& work) override {
        with_storage(*in[0], [&](const auto* x, auto*) {
            with_storage(*out, [&](auto* y, auto*) { forward_panels(s, range, x, y, work); });
        });
    }

    void backward(const Step& s, const Range& range, int phase, Workspace<T>& work) override {
        with_storage(*in[0], [&](const auto* x, auto* to) {
            with_storage(*out, [&](const auto* y, auto* g) {
                if (phase == 0) gradient_panels(s, range, x, y, g, work);
                else backward_panels(s, range, to, g, work);
            });
        });
    }

    // A task is some channels of the input, with all taps.
    void add_tasks(const Step& s, std::vector<Task>& tasks) const override {
        // An even number, so that pairs stay together.
        const size_t at_a_time = std::min(Workspace<T>::SIZE / (9 * KP_) / 2 * 2, round_up((C_ + 7) / 8, 2));
        for (size_t c = 0; c < C_; c += at_a_time)
            tasks.push_back({0, 0, c, std::min(C_, c + at_a_time),
                             double(at_a_time * POINTS * KP_ * s.panels * this->shards_of_panel(s.total_panels))});
        this->add_bias_task(s, tasks);
    }
    size_t num_sums() const override { return weight_sums_size(); }  // of the transformed filters
    void gradient(const Step& s, const Task& task, const Updater<T>& updater, Workspace<T>& work) override {
        if (task.which < 0) {
            this->bias_gradient(s, updater, work);
            return;
        }
        const size_t channels = task.last - task.first, shards = s.panels * this->shards_of_panel(s.total_panels),
                     start = updater.resumes ? 0 : 1;
        T* const held = updater.sums_at(this->sums_offset);
        for (size_t c = 0; c < channels; ++c)
            for (size_t k = 0; k < K_; k += L) {
                auto sum = [&](size_t column, Vec<T>(&total)[ROWS]) {
                    for (size_t row = 0; row < ROWS; ++row) {
                        const size_t at = ((row * COLUMNS + column) * C_ + task.first + c) * KP_ + k;
                        const T* sums = this->weight_sums(0) + at;
                        total[row] = load(updater.resumes ? held + at : sums);
                        for (size_t shard = start; shard < shards; ++shard)
                            total[row] += load(sums + shard * this->shard_size());
                    }
                };
                if (updater.holds) {
                    for (size_t column = 0; column < COLUMNS; ++column) {
                        Vec<T> total[ROWS];
                        sum(column, total);
                        for (size_t row = 0; row < ROWS; ++row)
                            store(held + ((row * COLUMNS + column) * C_ + task.first + c) * KP_ + k, total[row]);
                    }
                    continue;
                }
                Tiles::template transform<Transform::gradient>(sum, [&](size_t a, size_t b, Vec<T> v) {
                    store(work.c + ((3 * a + b) * channels + c) * KP_ + k, v);
                });
            }
        for (size_t tap = 0; tap < 9 && !updater.holds; ++tap)
            updater.take(this->offset_ + (tap * C_ + task.first) * K_, K_, channels, K_, work.c + tap * channels * KP_,
                         KP_);
        if (!updater.holds && updater.spec.clip_norm <= 0) transform_filters(task.first, task.last);
    }

  protected:
    // A row of tiles has whole windows.
    bool fuses(const Geometry& pool) const override { return DOWN % size_t(pool.down.stride) == 0; }
    size_t weight_sums_size() const override { return POINTS * C_ * KP_; }
    int rows_to_cut() const override { return int(Tiles::tiles_down(g_.down.out_size)); }

  private:
    using Tiles = WinogradTiles<T, S>;
    using Transform = winograd::Transform;
    template <class E> using Image = typename Tiles::template Image<E>;
    static constexpr bool PAIRS = Tiles::PAIRS;
    static constexpr size_t L = Tiles::L, P = Tiles::P, D = Tiles::D, DOWN = Tiles::DOWN, ACROSS = Tiles::ACROSS,
                            ROWS = Tiles::ROWS, COLUMNS = Tiles::COLUMNS, POINTS = Tiles::POINTS;
    static constexpr size_t PATCHES_FIT =
        (512 << 10) / sizeof(S);  // entries of patches that are stored for the gradient: half a L2 cache

    template <class E> Image<E> input(E* numbers, size_t p) const {
        return {numbers + p * g_.cols() * P, g_.down.size, g_.across.size, C_};
    }
    template <class E> Image<E> output(E* numbers, size_t p) const {
        return {numbers + p * g_.out_cols() * P, g_.down.out_size, g_.across.out_size, K_};
    }

    size_t rotated_row() const { return PAIRS ? round_up(K_, P) / 2 : KP_; }

    template <class E, class O>
    void forward_panels(const Step& s, const Range& range, const E* from, O* to, Workspace<T>& work) {
        const bool changes = this->is_simple() && (this->b_ || this->activation_ != Activation::none);
        each_part(range, Tiles::tiles_down(g_.down.out_size), [&](size_t p, size_t first, size_t last) {
            // Where they are pooled, one row of tiles after the other.
            for (size_t start = first; start < last;) {
                const size_t end = this->pooling_ ? start + 1 : last, above = this->pooling_ ? DOWN * start : 0;
                const auto y = this->pooling_ ? rows_to_pool<O>(above, work) : output(to, p);
                auto rows_of_tiles = [&](auto finished) {
                    Tiles::template multiply<PAIRS ? Form::rows : Form::columns, E>(
                        filters_.get(), PAIRS ? Tiles::entries(C_) : KP_, PAIRS ? K_ * Tiles::entries(C_) : C_ * KP_,
                        input(from, p), -g_.down.pad, -g_.across.pad, zeros_.get(), y, above, start, end,
                        this->two(s, p), work, finished);
                };
                if (changes) rows_of_tiles([&](const O*, Vec<T> v, size_t k) { return this->finished(v, k); });
                else rows_of_tiles([](const O*, Vec<T> v, size_t) { return v; });
                if constexpr (std::is_same_v<O, T>) {
                    const size_t below = this->is_simple() ? 0 : std::min(size_t(y.height), DOWN * last);
                    for (size_t r = DOWN * first; r < below; ++r)
                        this->finish(y.at(ptrdiff_t(r), 0), size_t(y.width), K_);
                    if (this->pooling_) pool_rows(p, above, y);
                }
                start = end;
            }
        });
    }
    // A row of tiles of the image that is pooled: its rows from `above` on.
    template <class O> Image<O> rows_to_pool(size_t above, Workspace<T>& work) const {
        const size_t height = std::min(DOWN, size_t(g_.down.out_size) - above);
        return {reinterpret_cast<O*>(work.rows.get(height * this->row_of_y())), int(height), g_.across.out_size, K_};
    }
    void pool_rows(size_t p, size_t above, const Image<T>& y) {
        const size_t down = this->pooling_->down();
        for (size_t r = 0; r < size_t(y.height); r += down)
            this->pooling_->pool_row(y.at(ptrdiff_t(r), 0), p, (above + r) / down, out->panel(p),
                                     [](Vec<T> v, size_t) { return v; });
    }
    template <class E, class O>
    void backward_panels(const Step& s, const Range& range, E* to, const O* g, Workspace<T>& work) const {
        const int top = g_.down.pad - 2;
        each_part(range, Tiles::tiles_down(g_.down.size), [&](size_t p, size_t first, size_t last) {
            const size_t at_a_time =
                this->pooling_ ? std::max<size_t>(1, this->pooling_->rows_at_a_time() / DOWN) : last - first;
            for (size_t start = first; start < last; start += at_a_time) {
                const size_t end = std::min(last, start + at_a_time);
                // Of the gradient of an image that was pooled only the rows that these tiles see are there.
                const int above = this->pooling_ ? std::max(0, int(DOWN * start) + top) : 0;
                auto rows = output(g, p);
                if constexpr (std::is_same_v<O, T>)
                    if (this->pooling_) {
                        rows.height = std::min(g_.down.out_size, int(DOWN * (end - 1) + ROWS) + top) - above;
                        rows.data = this->expanded(p, size_t(above), size_t(above + rows.height), nullptr, work);
                    }
                auto rows_of_tiles = [&](auto finished) {
                    Tiles::template multiply<Form::rows, O>(rotated_.get(), rotated_row(), C_ * rotated_row(), rows,
                                                            top - above, g_.across.pad - 2, zeros_.get(), input(to, p),
                                                            0, start, end, this->two(s, p), work, finished);
                };
                if (this->overwrite[0]) rows_of_tiles([](const E*, Vec<T> v, size_t) { return v; });
                else rows_of_tiles([](const E* at, Vec<T> v, size_t) { return load(at) + v; });
            }
        });
    }
    template <class E, class O>
    void gradient_panels(const Step& s, const Range& range, const E* from, const O* y, O* g, Workspace<T>& work) const {
        const size_t height = size_t(g_.down.out_size), width = size_t(g_.across.out_size),
                     rows = Tiles::tiles_down(g_.down.out_size);
        this->each_shard(s, range, rows, [&](size_t p, size_t shard, size_t first, size_t last) {
            this->clear(shard);
            for (size_t r = first; r < last; ++r) {
                const size_t end = std::min(height, DOWN * r + DOWN);
                Image<O> rows{output(g, p).at(ptrdiff_t(DOWN * r), 0), int(end - DOWN * r), g_.across.out_size, K_};
                if constexpr (std::is_same_v<O, T>)
                    if (this->pooling_) rows.data = this->expanded(p, DOWN * r, end, this->bias_sums(shard), work);
                for (size_t row = DOWN * r; !this->pooling_ && row < end; ++row)
                    this->finish_back(output(g, p).at(ptrdiff_t(row), 0), output(y, p).at(ptrdiff_t(row), 0), width, K_,
                                      this->bias_sums(shard));
                const Image<O> next = this->pooling_ ? Image<O>{} : output(g, p);
                add_gradients<E, O>(input(from, p), rows, next, r, size_t(rows_in<T>(s, p)), this->weight_sums(shard),
                                    work);
            }
        });
    }

    // Filters first .. last of the input's channels, and the same transposed by 180 degrees, for the backward pass.
    void transform_filters(size_t first, size_t last) {
        for (size_t c = first; c < last; c += PAIRS ? 2 : 1)
            for (size_t k = 0; k < K_; k += L) {
                if constexpr (PAIRS) {
                    auto scatter = [&](size_t a, size_t b, Vec<T> u, Vec<T> v) {
                        store_filters(a * COLUMNS + b, c, k, u, v);
                    };
                    if (c + 1 < C_)
                        Tiles::template transform_two<Transform::filter>(filter(c, k, false), filter(c + 1, k, false),
                                                                         scatter);
                    else
                        Tiles::template transform_two<Transform::filter>(filter(c, k, false), winograd::zeros<Vec<T>>,
                                                                         scatter);
                    for (size_t i = c; i < std::min(C_, c + 2); ++i)
                        Tiles::template transform<Transform::filter>(
                            filter(i, k, true),
                            [&](size_t a, size_t b, Vec<T> u) { store_rotated(a * COLUMNS + b, i, k, u); });
                } else {
                    Tiles::template transform<Transform::filter>(
                        filter(c, k, false), Tiles::store_at(filters_.get() + c * KP_ + k, C_ * KP_));
                    Tiles::template transform<Transform::filter>(
                        filter(c, k, true), Tiles::store_at(rotated_.get() + c * KP_ + k, C_ * KP_));
                }
            }
    }
    auto filter(size_t c, size_t k, bool rotated) const {
        return [=, this](size_t column, Vec<T>(&taps)[3]) {
            for (size_t row = 0; row < 3; ++row) {
                const size_t t = 3 * row + column;
                taps[row] = load_part(this->W_ + ((rotated ? 8 - t : t) * C_ + c) * K_ + k, int(std::min(L, K_ - k)));
            }
        };
    }

#ifdef PYSMORCH_BF16
    // Point t of the filters of channels c and c + 1 for outputs k .. k + L: pairs of inputs for each output.
    void store_filters(size_t t, size_t c, size_t k, Vec<float> u, Vec<float> v) {
        const size_t pairs = Tiles::entries(C_);
        const __mmask16 mask = __mmask16((1u << std::min(L, K_ - k)) - 1);
        const __m512i rows = _mm512_mullo_epi32(
            _mm512_set1_epi32(int(pairs)), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
        _mm512_mask_i32scatter_epi32(filters_.get() + (t * K_ + k) * pairs + c / 2, mask, rows, pairs_of(u, v), 4);
    }
    // Pairs of outputs for an input.
    void store_rotated(size_t t, size_t c, size_t k, Vec<float> u) {
        store(reinterpret_cast<Bf16*>(rotated_.get() + (t * C_ + c) * rotated_row()) + k, u);
    }
#endif

    // Adds what row of tiles r of the output's gradient, `y`, has to do with the input to the gradients of the
    // transformed filters. The positions that are read after these, of the input and of the gradient where `next` has
    // it, are prefetched meanwhile.
    template <class E, class O>
    void add_gradients(const Image<const E>& image, const Image<O>& y, const Image<O>& next, size_t r, size_t lanes,
                       T* sums, Workspace<T>& work) const {
        const size_t width = size_t(g_.across.out_size), count = Tiles::tiles_across(g_.across.out_size),
                     height = size_t(y.height);
        const size_t of_x = C_ * D + L, of_y = KP_ * D + L, one = POINTS * (of_x + of_y),
                     at_a_time = std::max<size_t>(1, std::min(count, PATCHES_FIT / one));
        const size_t transposed = at_a_time * DOWN * ACROSS * KP_ * P + P;
        T* rows = work.more.get(transposed + at_a_time * one);
        S *patches = reinterpret_cast<S*>(rows + transposed), *tiles_points = patches + at_a_time * POINTS * of_x;
        for (size_t start = 0; start < count; start += at_a_time) {
            const size_t here = std::min(at_a_time, count - start),
                         positions = std::min(ACROSS * here, width - ACROSS * start), row = positions * KP_ * P;
            for (size_t i = 0; i < here; ++i)
                Tiles::template transform_patch_of_rows<E>(image, ptrdiff_t(DOWN * r) - g_.down.pad,
                                                           ptrdiff_t(ACROSS * (start + i)) - g_.across.pad,
                                                           zeros_.get(), patches + i * POINTS * of_x, of_x);
            for (size_t a = 0; a < height; ++a)
                this->transpose_positions(y.at(ptrdiff_t(a), ptrdiff_t(ACROSS * start)), positions, lanes,
                                          rows + a * row);
            for (size_t i = 0; i < here; ++i)
                transform_positions(rows, row, positions, height, i, lanes, tiles_points + i * POINTS * of_y, of_y);
            const bool last = start + here >= count;
            multiply_points(patches, tiles_points, here, lanes, sums, [&](int part, int parts) {
                // The first half of the products brings the input: of a patch, what those above and on the left have
                // not read.
                const size_t row = DOWN * (last ? r + 1 : r), column = last ? 0 : ACROSS * (start + here),
                             across = ACROSS * at_a_time;
                const int half = (parts + 1) / 2;
                if (part < half)
                    return Tiles::lines_of(image, row + 2 - size_t(g_.down.pad), column + 2 - size_t(g_.across.pad),
                                           across, {part, half});
                return Tiles::lines_of(next, row, column, across, {part - half, parts - half});
            });
        }
    }
    // Adds the products of `count` tiles' points to the sums; `prefetch(part, parts)` is what is prefetched with a part
    // of them. Never inlined, so that the last bits of the transforms do not depend on it.
    template <class F>
    __attribute__((noinline)) void multiply_points(const S* patches, const S* points, size_t count, size_t lanes,
                                                   T* sums, F prefetch) const {
        const size_t of_x = C_ * D + L, of_y = KP_ * D + L;
        ReductionLoops loops;
        loops.outer = count;
        loops.depth = loops.last = PAIRS ? (lanes + 1) / 2 : lanes;
        loops.a_outer = ptrdiff_t(POINTS * of_x);
        loops.b_outer = ptrdiff_t(POINTS * of_y);
        loops.products = POINTS;
        loops.a_product = ptrdiff_t(of_x);
        loops.b_product = ptrdiff_t(of_y);
        loops.c_product = ptrdiff_t(C_ * KP_);
        const int parts = int(num_tiles(C_) * ((K_ + P - 1) / P));
        int part = 0;
        for (size_t k = 0; k < K_; k += P)
            for (size_t t = 0; t < num_tiles(C_); ++t) {
                const size_t c = tile_start(C_, t), channels = tile_start(C_, t + 1) - c;
                const Prefetch lines = prefetch(part++, parts);
                loops.prefetch = &lines;
                tile_of<T, Form::panels, S>(int(channels), K_ - k > L)(patches + c * D, 0, points + k, KP_, loops,
                                                                       sums + c * KP_ + k, KP_, true);
            }
    }

    // Tile i of some rows of positions, in rows of the batch (see `transpose_positions`), becomes points: [point][row
    // or pair of rows][channel].
    void transform_positions(const T* rows, size_t row, size_t positions, size_t height, size_t i, size_t lanes, S* to,
                             size_t point) const {
        const size_t width = std::min(ACROSS, positions - ACROSS * i);
        for (size_t block = 0; block < K_; block += P) {
            const size_t wide = block_width(K_, block, L);
            auto positions_at = [&](size_t lane, size_t k) {
                const T* from = rows + block * positions * P + (ACROSS * i * P + lane) * wide + k;
                return [=](size_t b, Vec<T>(&column)[DOWN]) {
                    for (size_t a = 0; a < DOWN; ++a)
                        column[a] = a < height && b < width ? load(from + a * row + b * P * wide) : Vec<T>{};
                };
            };
            for (size_t lane = 0; lane < lanes; lane += PAIRS ? 2 : 1)
                for (size_t k = 0; k < wide; k += L) {
                    if constexpr (PAIRS) {
                        const auto put = Tiles::store_pairs_at(to + lane / 2 * KP_ + block + k, point);
                        if (lane + 1 < lanes)
                            Tiles::template transform_two<Transform::points>(positions_at(lane, k),
                                                                             positions_at(lane + 1, k), put);
                        else
                            Tiles::template transform_two<Transform::points>(positions_at(lane, k),
                                                                             winograd::zeros<Vec<T>>, put);
                    } else {
                        Tiles::template transform<Transform::points>(
                            positions_at(lane, k), Tiles::store_at(to + lane * KP_ + block + k, point));
                    }
                }
        }
    }

    size_t C_, K_, KP_;
    Buffer<T> zeros_;  // a position outside of an image
    // Transformed filters, as they are and transposed: [point][channel of the input][channel of the output], or, as
    // they are and in pairs, [point][channel of the output][pair of channels of the input].
    Buffer<S> filters_, rotated_;
};

}  // namespace pysmorch
