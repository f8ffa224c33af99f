// The tiles of a Winograd convolution: patches of images are transformed, multiplied and transformed back. With S =
// Pair transformed numbers are pairs of bfloat16, of channels or of rows of the batch.
#pragma once
#include "kernels/winograd.h"
#include "operations/winograd_patch.h"

namespace pysmorch {

template <class T, class S> struct WinogradTiles {
    static constexpr bool PAIRS = !std::is_same_v<T, S>;
    static constexpr size_t L = LANES<T>, P = NR<T>, D = K_PER_PANEL<T, S>;
    using Transform = winograd::Transform;
    using F = winograd::Tiling<winograd::Four, std::conditional_t<PAIRS, winograd::Two, winograd::Four>>;
    // ImageLayout of a tile and of a patch.
    static constexpr size_t DOWN = F::Down::TILE, ACROSS = F::Across::TILE, ROWS = F::ROWS, COLUMNS = F::COLUMNS,
                            POINTS = F::POINTS;

    template <class E> using Image = ImageView<T, E>;
    template <class E> using Patch = WinogradPatch<T, E, ROWS, COLUMNS>;

    static size_t tiles_down(int size) { return (size_t(size) + DOWN - 1) / DOWN; }
    static size_t tiles_across(int size) { return (size_t(size) + ACROSS - 1) / ACROSS; }
    static size_t entries(size_t channels) { return PAIRS ? (channels + 1) / 2 : channels; }
    // From a point of a patch to the next: a vector more than its entries, since multiples of a page would share few
    // lines of a cache.
    static size_t point_of(size_t entries) { return entries * P + L; }

    template <Transform X, class Get, class Put> static void transform(Get get, Put put) {
        winograd::transform<F, X, Vec<T>>(get, put);
    }
    template <Transform X, class Get, class Other, class Put> static void transform_two(Get get, Other other, Put put) {
        winograd::transform_two<F, X, Vec<T>>(get, other, put);
    }
    // Puts each point of a patch where it belongs, `step` numbers or pairs from the one before.
    static auto store_at(T* to, size_t step) {
        return [=](size_t a, size_t b, Vec<T> v) { store(to + (a * COLUMNS + b) * step, v); };
    }
    static auto store_pairs_at(S* to, size_t step) {
        return [=](size_t a, size_t b, Vec<T> v, Vec<T> w) { store_pairs(to + (a * COLUMNS + b) * step, v, w); };
    }

    // For a product over channels.
    template <class E>
    static void transform_patch(const Image<const E>& x, ptrdiff_t top, ptrdiff_t left, const T* zeros, S* to) {
        const Patch<E> patch(x, top, left, zeros);
        const size_t point = point_of(entries(x.channels));
        if constexpr (PAIRS) {
            for (size_t c = 0; c < x.channels; c += 2)
                for (size_t half = 0; half < P; half += L) {
                    const auto put = store_pairs_at(to + c / 2 * P + half, point);
                    if (c + 1 < x.channels)
                        transform_two<Transform::patch>(patch.vectors_at(c * P + half),
                                                        patch.vectors_at((c + 1) * P + half), put);
                    else transform_two<Transform::patch>(patch.vectors_at(c * P + half), winograd::zeros<Vec<T>>, put);
                }
        } else {
            for (size_t i = 0; i < x.channels * P; i += L)
                transform<Transform::patch>(patch.vectors_at(i), store_at(to + i, point));
        }
    }
    // For a product over rows of the batch.
    template <class E>
    static void transform_patch_of_rows(const Image<const E>& x, ptrdiff_t top, ptrdiff_t left, const T* zeros, S* to,
                                        size_t point) {
        const Patch<E> patch(x, top, left, zeros);
        if constexpr (PAIRS) {
            for (size_t c = 0; c < x.channels; ++c)
                transform_two<Transform::patch>(patch.vectors_at(c * P), patch.vectors_at(c * P + L),
                                                [=](size_t a, size_t b, Vec<T> v, Vec<T> w) {
                                                    store_row(to + (a * COLUMNS + b) * point + c * D, v, w);
                                                });
        } else {
            for (size_t i = 0; i < x.channels * P; i += L)
                transform<Transform::patch>(patch.vectors_at(i), store_at(to + i, point));
        }
    }
#ifdef PYSMORCH_BF16
    static void store_pairs(Pair* to, Vec<float> a, Vec<float> b) { _mm512_storeu_si512(to, pairs_of(a, b)); }
    static void store_row(Pair* to, Vec<float> a, Vec<float> b) { _mm512_storeu_si512(to, row_of(a, b)); }
#endif

    // A part of the cache lines of a row of tiles from position (top, left) on, `across` positions as far as the image
    // has them.
    template <class E>
    static Prefetch lines_of(const Image<E>& image, size_t top, size_t left, size_t across, Part part) {
        static_assert(DOWN <= std::size(Prefetch{}.arrays));
        const size_t width = size_t(image.width), columns = left < width ? std::min(across, width - left) : 0;
        const auto [first, last] = part.of(columns * image.channels * P * sizeof(E) / LINE);
        Prefetch lines{.stride = LINE, .rows = last - first, .bytes = LINE};
        for (size_t a = 0; a < DOWN && top + a < size_t(image.height); ++a)
            lines.arrays[a] =
                reinterpret_cast<const char*>(image.at(ptrdiff_t(top + a), ptrdiff_t(left))) + first * LINE;
        return lines;
    }

    // The rows of tiles first .. last of y, whose first row is row `above` of the image, from x, whose position (top,
    // left) is the first that the filter sees. Filters of a point have rows of `stride` entries, and are `filter`
    // entries from those of the next. `finished(position, v, channel)` is what is written. Never inlined, so that the
    // last bits do not depend on the caller.
    template <Form FORM, class E, class O, class Finished>
    static __attribute__((noinline)) void multiply(const S* filters, size_t stride, size_t filter,
                                                   const Image<const E>& x, int top, int left, const T* zeros,
                                                   const Image<O>& y, size_t above, size_t first, size_t last, bool two,
                                                   Workspace<T>& work, Finished finished) {
        const size_t depth = entries(x.channels), point = point_of(y.channels);
        T* products = work.more.get(POINTS * (point_of(x.channels) + point));
        S* patch = reinterpret_cast<S*>(products + POINTS * point);
        ReductionLoops loops = single_loop(depth);
        loops.products = POINTS;
        loops.a_product = ptrdiff_t(filter);
        loops.b_product = ptrdiff_t(point_of(depth));
        loops.c_product = ptrdiff_t(point);
        for (size_t r = first; r < last; ++r)
            for (size_t j = 0; j < size_t(y.width); j += ACROSS) {
                transform_patch<E>(x, ptrdiff_t(DOWN * r) + top, ptrdiff_t(j) + left, zeros, patch);
                for (size_t t = 0; t < num_tiles(y.channels); ++t) {
                    const size_t f = tile_start(y.channels, t), height = tile_start(y.channels, t + 1) - f;
                    // The stores of a tile would wait for its lines.
                    const Prefetch tile =
                        lines_of(y, DOWN * r - above, j, ACROSS, {int(t), int(num_tiles(y.channels))});
                    loops.prefetch = &tile;
                    tile_of<T, FORM, S>(int(height), two)(filters + (FORM == Form::rows ? f * stride : f), stride,
                                                          patch, P, loops, products + f * P, P, false);
                }
                const size_t rows = std::min(DOWN, size_t(y.height) - (DOWN * r - above)),
                             columns = std::min(ACROSS, size_t(y.width) - j);
                O* const positions = y.at(ptrdiff_t(DOWN * r - above), ptrdiff_t(j));
                const size_t row = size_t(y.width) * y.channels * P, position = y.channels * P;
                for (size_t i = 0; i < y.channels * P; i += L) {
                    auto get = [=](size_t column, Vec<T>(&v)[ROWS]) {
                        for (size_t k = 0; k < ROWS; ++k) v[k] = load(products + i + (k * COLUMNS + column) * point);
                    };
                    // Always inlined, so that the last bits do not depend on which products GCC fuses with additions.
                    auto put = [=](size_t a, size_t b, Vec<T> v) __attribute__((always_inline)) {
                        O* to = positions + i + a * row + b * position;
                        store(to, finished(to, v, i / P));
                    };
                    if (rows == DOWN && columns == ACROSS) {
                        transform<Transform::positions>(get, put);
                    } else {
                        transform<Transform::positions>(get, [=](size_t a, size_t b, Vec<T> v) {
                            if (a < rows && b < columns) put(a, b, v);
                        });
                    }
                }
            }
    }
};

}  // namespace pysmorch
