// The three products of a convolution, on panels.
//
// In a panel a position of an image is its channels one after the other, each with NR rows of the batch. So the numbers
// that a filter sees at one position lie in a few stretches, and the kernel of matrix products (product.h) takes them
// from where they are: nothing is copied into columns, and borders only make stretches shorter.
#pragma once
#include "operations/geometry.h"

namespace pysmorch {

// Weights as a product takes them: from a tap to the next, and from a group of channels to the next.
template <class S> struct Filters {
    const S* weights;
    size_t stride;  // of the form
    size_t tap, group;
};

// An image as a product sees it.
struct ImageLayout {
    size_t width;     // positions in a row
    size_t channels;  // entries of a position
    size_t group;     // entries of a position that belong to a group
};

// A row of y = sum over taps of weights times x, whose rows are those of `v`.
template <class T, class S, Form FORM>
static void convolve_row(const Filters<S>& filters, size_t kernel_width, size_t groups, const S* x,
                         const ImageLayout& in, T* y, const ImageLayout& out, const Taps& v,
                         const std::vector<Taps>& across, bool two, bool add) {
    constexpr size_t P = NR<T>;
    const size_t tiles = num_tiles(out.group), step = FORM == Form::columns ? 1 : filters.stride;
    // Neighbouring taps make one stretch where their channels lie side by side in both.
    const bool joined = groups == 1 && filters.tap == in.group * (FORM == Form::columns ? filters.stride : 1);
    for (size_t i = 0; i < across.size(); ++i) {
        const Taps& h = across[i];
        ReductionLoops loops;
        loops.outer = size_t(v.count);
        loops.a_outer = ptrdiff_t(size_t(v.tap_step) * kernel_width * filters.tap);
        loops.b_outer = v.move * ptrdiff_t(in.width * in.channels * P);
        if (joined && h.tap_step == 1 && h.move == 1) {
            loops.depth = loops.last = size_t(h.count) * in.group;
        } else {
            loops.inner = size_t(h.count);
            loops.depth = loops.last = in.group;
            loops.a_inner = ptrdiff_t(size_t(h.tap_step) * filters.tap);
            loops.b_inner = h.move * ptrdiff_t(in.channels * P);
        }
        if (h.count == 0) loops.outer = 0;
        const S* a = filters.weights + (size_t(v.tap) * kernel_width + size_t(h.tap)) * filters.tap;
        const S* b = x + (v.position * ptrdiff_t(in.width) + h.position) * ptrdiff_t(in.channels * P);
        T* c = y + i * out.channels * P;
        for (size_t g = 0; g < groups; ++g)
            for (size_t t = 0; t < tiles; ++t) {
                const size_t f = tile_start(out.group, t), rows = tile_start(out.group, t + 1) - f;
                tile_of<T, FORM, S>(int(rows), two)(a + g * filters.group + f * step, filters.stride,
                                                    b + g * in.group * P, P, loops, c + (g * out.group + f) * P, P,
                                                    add);
            }
    }
}

// The gradient for y is needed with the rows of the batch one after the other: [block of NR
// channels][position][row][channel].
inline size_t block_width(size_t K, size_t k, size_t lanes) { return K - k > lanes ? 2 * lanes : lanes; }

// Adds to `sums` (taps x channels of x, rows of `stride`) what some positions of one row of y, transposed as above,
// have to do with x, whose first row is row `above` of the image.
template <class T, class S>
static void add_products(const Geometry& g, size_t groups, const S* x, const S* rows, size_t row, size_t first,
                         size_t last, size_t depth, T* sums, size_t stride, size_t above = 0) {
    constexpr size_t L = LANES<T>, P = NR<T>, D = K_PER_PANEL<T, S>;
    const size_t C = g.channels / groups, K = g.out_channels / groups;
    const Taps v = g.down.into(int(row));
    alignas(64) T edge[size_t(MR) * P];
    // Neighbouring taps of few channels make one product, whose tiles are high enough to keep the vector units busy, at
    // the positions where all of them meet the image.
    const int kernel = g.across.kernel;
    size_t low = std::max(first, g.across.outputs_of(0).first),
           high = std::min(last, g.across.outputs_of(kernel - 1).second);
    if (groups > 1 || g.across.dilation > 1 || C > size_t(MR) / 2 || low >= high) low = high = last;
    for (int dy = 0; dy < v.count; ++dy) {
        const auto add = [&](int tap, size_t taps, size_t from, size_t to) {
            if (from >= to) return;
            const size_t entries = taps * C;
            const ptrdiff_t position = (v.position + dy * v.move - ptrdiff_t(above)) * g.across.size +
                                       ptrdiff_t(from) * g.across.stride - g.across.pad +
                                       ptrdiff_t(tap) * g.across.dilation;
            T* to_sums = sums + size_t((v.tap + dy) * g.across.kernel + tap) * C * stride;
            ReductionLoops loops;
            loops.inner = to - from;
            loops.depth = loops.last = depth;
            loops.a_inner = ptrdiff_t(size_t(g.across.stride) * g.channels * D);
            for (size_t group = 0; group < groups; ++group)
                for (size_t k = 0; k < K;) {
                    // A tile's columns lie in one block of channels, and in one group.
                    const size_t channel = group * K + k, block = channel / P * P,
                                 width = block_width(g.out_channels, block, L);
                    const size_t columns = std::min({K - k, block + width - channel, P});
                    const bool two = columns > L;
                    const size_t whole = two ? P : L;
                    loops.b_inner = ptrdiff_t(D * width);
                    const size_t room = (last - first) * D;
                    const S* b = rows + block * room + (from - first) * D * width + (channel - block);
                    // What is after the last channel may be written over; another group's sums may not.
                    const bool fits =
                        columns == whole || (channel + columns == g.out_channels && channel + whole <= stride);
                    for (size_t t = 0; t < num_tiles(entries); ++t) {
                        const size_t c = tile_start(entries, t), height = tile_start(entries, t + 1) - c;
                        const S* a = x + position * ptrdiff_t(g.channels * D) + (group * C + c) * D;
                        T* target = to_sums + c * stride + channel;
                        if (fits) {
                            tile_of<T, Form::panels, S>(int(height), two)(a, 0, b, width, loops, target, stride, true);
                            continue;
                        }
                        tile_of<T, Form::panels, S>(int(height), two)(a, 0, b, width, loops, edge, P, false);
                        for (size_t i = 0; i < height; ++i)
                            for (size_t j = 0; j < columns; ++j) target[i * stride + j] += edge[i * P + j];
                    }
                    k += columns;
                }
        };
        const auto each_tap = [&](size_t start, size_t end) {
            for (int tap = 0; tap < kernel; ++tap) {
                const auto [from, to] = g.across.outputs_of(tap);
                add(tap, 1, std::max(from, start), std::min(to, end));
            }
        };
        each_tap(first, low);
        add(0, size_t(kernel), low, high);
        each_tap(high, last);
    }
}

}  // namespace pysmorch
