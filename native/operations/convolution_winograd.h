// A convolution with filters of 3 x 3 in steps of one place, with 36 products for 16 places (winograd.h).
#pragma once
#include "../winograd.h"
#include "convolution.h"

namespace pysmorch {

template <class T> class WinogradConvolution final : public Convolution<T> {
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
        double products = winograd::POINTS;
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
        filters_.get(POINTS * C_ * KP_);
        turned_.get(POINTS * C_ * KP_);
        zeros_.get(std::max(C_, K_) * P);
    }
    void begin(Part part) override {
        const auto [first, last] = part.of(C_);
        transform_filters(first, last);
    }

    void forward(const Step& s, const Range& range, int, Workspace<T>& work) override {
        const size_t width = size_t(g_.across.out_size);
        each_part(range, tiles(g_.down.out_size), [&](size_t p, size_t first, size_t last) {
            const Image x{in[0]->panel(p), g_.down.size, g_.across.size, C_}, y{out->panel(p), g_.down.out_size, g_.across.out_size, K_};
            multiply<Form::columns>(filters_.get(), x, -g_.down.pad, -g_.across.pad, y, first, last, this->two(s, p), false, work,
                                    [&](size_t r) { this->finish(out->panel(p) + r * width * K_ * P, width, K_); });
        });
    }

    void backward(const Step& s, const Range& range, int phase, Workspace<T>& work) override {
        if (phase == 1) {
            each_part(range, tiles(g_.down.size), [&](size_t p, size_t first, size_t last) {
                const Image y{out->grad_panel(p), g_.down.out_size, g_.across.out_size, K_}, x{in[0]->grad_panel(p), g_.down.size, g_.across.size, C_};
                multiply<Form::rows>(turned_.get(), y, g_.down.pad - 2, g_.across.pad - 2, x, first, last, this->two(s, p), !this->first[0], work, [](size_t) {});
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
        const size_t at_a_time = std::max<size_t>(1, std::min(Workspace<T>::SIZE / (9 * KP_), (C_ + 7) / 8));
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
                Vec<T> u[POINTS], g[9];
                for (size_t t = 0; t < POINTS; ++t) {
                    const T* sums = this->weight_sums(0) + (t * C_ + task.first + c) * KP_ + k;
                    u[t] = load(sums);
                    for (size_t shard = 1; shard < shards; ++shard) u[t] += load(sums + shard * this->shard_size());
                }
                winograd::to_gradient(u, g);
                for (size_t tap = 0; tap < 9; ++tap) store(work.c + (tap * channels + c) * KP_ + k, g[tap]);
            }
        for (size_t tap = 0; tap < 9; ++tap)
            updater.take(this->place_ + (tap * C_ + task.first) * K_, K_, channels, K_, work.c + tap * channels * KP_, KP_);
        if (updater.spec.clip_norm <= 0) transform_filters(task.first, task.last);
    }

  protected:
    size_t weight_sums_size() const override { return POINTS * C_ * KP_; }
    int rows_to_cut() const override { return int(tiles(g_.down.out_size)); }

  private:
    static constexpr size_t L = LANES<T>, P = WIDE<T>, TILE = winograd::TILE, PATCH = winograd::PATCH, POINTS = winograd::POINTS;
    static constexpr size_t PATCHES_FIT = (512 << 10) / sizeof(T);   // numbers of patches that are kept for the gradient: half a second cache

    struct Image {
        T* data;
        int height, width;
        size_t channels;

        winograd::Steps steps() const { return {size_t(width) * channels * (P / L), channels * (P / L)}; }
        T* at(ptrdiff_t row, ptrdiff_t column) const { return data + (row * width + column) * ptrdiff_t(channels * P); }
    };

    static constexpr size_t tiles(int size) { return size_t(size + int(TILE) - 1) / TILE; }
    // From a point of a patch to the next: a vector more than its numbers, since multiples of a page would share few lines of a cache.
    static size_t point_of(size_t channels) { return channels * P + L; }
    static winograd::Steps points(size_t numbers) { return {PATCH * numbers / L, numbers / L}; }
    static Vec<T>* vectors(T* numbers) { return reinterpret_cast<Vec<T>*>(numbers); }
    static const Vec<T>* vectors(const T* numbers) { return reinterpret_cast<const Vec<T>*>(numbers); }

    void transform_filters(size_t first, size_t last) {
        for (size_t c = first; c < last; ++c)
            for (size_t k = 0; k < K_; k += L) {
                Vec<T> g[9], turned[9];
                const int columns = int(std::min(L, K_ - k));
                for (size_t tap = 0; tap < 9; ++tap) g[tap] = turned[8 - tap] = load_part(this->W_ + (tap * C_ + c) * K_ + k, columns);
                winograd::to_filter(g, vectors(filters_.get() + c * KP_ + k), points(C_ * KP_));
                winograd::to_filter(turned, vectors(turned_.get() + c * KP_ + k), points(C_ * KP_));
            }
    }

    // The patch whose upper left place is (top, left); places outside the image are zero.
    void transform_patch(const Image& x, ptrdiff_t top, ptrdiff_t left, T* to) const {
        const T* places[POINTS];
        for (ptrdiff_t r = 0; r < ptrdiff_t(PATCH); ++r)
            for (ptrdiff_t c = 0; c < ptrdiff_t(PATCH); ++c) {
                const bool inside = top + r >= 0 && top + r < x.height && left + c >= 0 && left + c < x.width;
                places[size_t(r) * PATCH + size_t(c)] = inside ? x.at(top + r, left + c) : zeros_.get();
            }
        const winograd::Steps steps = points(point_of(x.channels));
        for (size_t i = 0; i < x.channels * P; i += L)
            winograd::to_patch([&](size_t row, size_t column) { return load(places[row * PATCH + column] + i); }, vectors(to + i), steps);
    }

    // The rows of tiles first .. last of y from x, whose place (top, left) is the first that the filter sees.
    template <Form FORM, class Done>
    void multiply(const T* filters, const Image& x, int top, int left, const Image& y, size_t first, size_t last, bool two, bool add, Workspace<T>& work,
                  Done&& done) const {
        T* patch = work.more.get(POINTS * (point_of(x.channels) + point_of(y.channels)));
        T* products = patch + POINTS * point_of(x.channels);
        Walk walk = stretch(x.channels);
        walk.products = POINTS;
        walk.a_product = ptrdiff_t(C_ * KP_);
        walk.b_product = ptrdiff_t(point_of(x.channels));
        walk.c_product = ptrdiff_t(point_of(y.channels));
        for (size_t r = first; r < last; ++r) {
            const size_t rows = std::min(TILE, size_t(y.height) - TILE * r);
            for (size_t j = 0; j < size_t(y.width); j += TILE) {
                transform_patch(x, ptrdiff_t(TILE * r) + top, ptrdiff_t(j) + left, patch);
                for (size_t t = 0; t < num_tiles(y.channels); ++t) {
                    const size_t f = tile_start(y.channels, t), height = tile_start(y.channels, t + 1) - f;
                    tile_of<T, FORM>(int(height), two)(filters + (FORM == Form::rows ? f * KP_ : f), KP_, patch, P, walk, products + f * P, P, false);
                }
                const size_t columns = std::min(TILE, size_t(y.width) - j);
                for (size_t i = 0; i < y.channels * P; i += L) {
                    const Vec<T>* from = vectors(products + i);
                    if (rows == TILE && columns == TILE && !add) {
                        winograd::to_places(from, points(point_of(y.channels)), vectors(y.at(ptrdiff_t(TILE * r), ptrdiff_t(j)) + i), y.steps());
                        continue;
                    }
                    Vec<T> places[TILE * TILE];
                    winograd::to_places(from, points(point_of(y.channels)), places, winograd::dense<TILE>);
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
        const size_t of_x = point_of(C_), of_y = KP_ * P + L, one = POINTS * (of_x + of_y), at_a_time = std::max<size_t>(1, std::min(count, PATCHES_FIT / one));
        T* patches = work.more.get(at_a_time * (one + TILE * TILE * KP_ * P) + P);
        T *tiles_points = patches + at_a_time * POINTS * of_x, *rows = tiles_points + at_a_time * POINTS * of_y;
        const Image image{const_cast<T*>(x), g_.down.size, g_.across.size, C_};
        for (size_t start = 0; start < count; start += at_a_time) {
            const size_t here = std::min(at_a_time, count - start), places = std::min(TILE * here, width - TILE * start), row = places * KP_ * P;
            for (size_t i = 0; i < here; ++i)
                transform_patch(image, ptrdiff_t(TILE * r) - g_.down.pad, ptrdiff_t(TILE * (start + i)) - g_.across.pad, patches + i * POINTS * of_x);
            for (size_t a = 0; a < height; ++a) this->turn(y + ((TILE * r + a) * width + TILE * start) * K_ * P, places, lanes, rows + a * row);
            for (size_t i = 0; i < here; ++i)
                transform_places(rows, row, places, height, i, lanes, tiles_points + i * POINTS * of_y, of_y);
            Walk walk;
            walk.outer = here;
            walk.depth = walk.last = lanes;
            walk.a_outer = ptrdiff_t(POINTS * of_x);
            walk.b_outer = ptrdiff_t(POINTS * of_y);
            walk.products = POINTS;
            walk.a_product = ptrdiff_t(of_x);
            walk.b_product = ptrdiff_t(of_y);
            walk.c_product = ptrdiff_t(C_ * KP_);
            for (size_t k = 0; k < K_; k += P)
                for (size_t t = 0; t < num_tiles(C_); ++t) {
                    const size_t c = tile_start(C_, t), channels = tile_start(C_, t + 1) - c;
                    tile_of<T, Form::panels>(int(channels), K_ - k > L)(patches + c * P, 0, tiles_points + k, KP_, walk, sums + c * KP_ + k, KP_, true);
                }
        }
    }

    // Tile i of some rows of places, in rows of the batch (see `turn`), becomes points: [point][row of the batch][channel].
    void transform_places(const T* rows, size_t row, size_t places, size_t height, size_t i, size_t lanes, T* points_of_tile, size_t of_y) const {
        const size_t width = std::min(TILE, places - TILE * i);
        for (size_t block = 0; block < K_; block += P) {
            const size_t wide = block_width(K_, block, L);
            for (size_t lane = 0; lane < lanes; ++lane)
                for (size_t k = 0; k < wide; k += L) {
                    const T* from = rows + block * places * P + (TILE * i * P + lane) * wide + k;
                    Vec<T>* to = vectors(points_of_tile + lane * KP_ + block + k);
                    if (height == TILE && width == TILE) {
                        winograd::to_points(vectors(from), {row / L, P * wide / L}, to, points(of_y));
                        continue;
                    }
                    Vec<T> y[TILE * TILE];
                    for (size_t a = 0; a < TILE; ++a)
                        for (size_t b = 0; b < TILE; ++b) y[a * TILE + b] = a < height && b < width ? load(from + a * row + b * P * wide) : Vec<T>{};
                    winograd::to_points(y, winograd::dense<TILE>, to, points(of_y));
                }
        }
    }

    size_t C_, K_, KP_;
    Buffer<T> zeros_;              // a place outside of an image
    Buffer<T> filters_, turned_;   // transformed: [point][channel of the input][channel of the output]; turned by 180 degrees before
};

}  // namespace pysmorch
