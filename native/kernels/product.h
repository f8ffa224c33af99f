// Matrix products over panels.
//
// A panel has NR rows of the batch (two vector registers of them), feature-major: the NR values of one feature are
// neighbours, so that a vector holds one feature of many rows (BLIS calls this a micro-panel). Of a batch with K
// features:
//
//     panel 0: rows 0 .. NR-1                          panel 1: rows NR .. 2 NR-1
//     [feature 0: r0 r1 .. rNR-1][feature 1: ..] ..    [feature 0: rNR .. r2NR-1] ..
//     <------- NR elements ----->
//     <----------------- K * NR elements -------->
//
// Lanes of the last panel after the end of the batch have any value.
//
// A product C (F, rows) = A (F, K) B (K, rows) then takes the weights as A, element by element from where they are, and
// panels as B and C. The weights need no packing, and the number of features may be anything. A micro-kernel computes a
// micro-tile of up to MR x NR elements of C in registers; a block of KC entries of the reduction stays in the L2 cache.
// Source: Van Zee and van de Geijn, "BLIS: A framework for rapidly instantiating BLAS functionality", 2015.
#pragma once
#include <algorithm>
#include <type_traits>

#include "kernels/bf16.h"
#include "kernels/part.h"
#include "kernels/prefetch.h"
#include "kernels/simd.h"

namespace pysmorch {

template <class T> constexpr int NR = 2 * LANES<T>;
// 32 vector registers hold 12 x 2 sums, two columns of B and an entry of A; 16 hold 6 x 2.
#if PYSMORCH_VECTOR_BYTES == 64 || defined(__aarch64__)
constexpr int MR = 12;
#else
constexpr int MR = 6;
#endif
// Entries of a sum that are taken at a time, so that their part of B stays in the L2 cache.
constexpr size_t KC = 320;
// Panels that go through a tile of A one after the other.
constexpr size_t NC_PANELS = 8;

// Where the entries of A are: neighbours in a column, neighbours in a row, or in panels, which are `jump` apart.
enum class Form { columns, rows, panels };

// Entries of a sum that one number of the batch has in a panel: pairs of bfloat16 hold two.
template <class T, class S> constexpr int K_PER_PANEL = std::is_same_v<T, S> ? NR<T> : NR<T> / 2;

// The entries of a sum, in `outer` times `inner` stretches of `depth` neighbours each (the last one has `last`). A and
// B move on by these steps from one stretch to the next. There may be several products of the same kind, whose A, B and
// C are some steps apart.
struct ReductionLoops {
    size_t outer = 1, inner = 1, depth = 0, last = 0;
    ptrdiff_t a_outer = 0, a_inner = 0, b_outer = 0, b_inner = 0;
    size_t products = 1;
    ptrdiff_t a_product = 0, b_product = 0, c_product = 0;
    const Prefetch* prefetch = nullptr;
};
inline ReductionLoops single_loop(size_t depth) { return {1, 1, depth, depth}; }

// The micro-kernel for tiles of so many rows and one or two vectors: c = or += sum over k of a(i, k) b(k, j).
template <class T, class S>
using Tile = void (*)(const S*, size_t, const S*, size_t, const ReductionLoops&, T*, size_t, bool);
template <class T, Form FORM, class S = T> Tile<T, S> tile_of(int rows, bool two);

// Tiles are of nearly the same height: 32 rows are 11 + 11 + 10, not 12 + 12 + 8. The same goes for blocks of a sum.
inline size_t num_tiles(size_t F) { return (F + MR - 1) / MR; }
inline size_t tile_start(size_t F, size_t t) { return F * t / num_tiles(F); }
inline size_t num_blocks(size_t K) { return (K + KC - 1) / KC; }
inline size_t block_start(size_t K, size_t i) { return i == num_blocks(K) ? K : K * i / num_blocks(K) / 16 * 16; }

// Prefetches a part of the rows of a block of A, as it lies in memory, before it is used: the weights of a large layer
// come from far, and a column of them from many pages, which no processor foresees.
template <Form FORM, class S>
inline void prefetch_block(const S* from, size_t stride, size_t rows, size_t depth, Part part) {
    const auto [first, last] = part.of(FORM == Form::columns ? depth : rows);
    const size_t length = FORM == Form::columns ? rows : depth;
    for (size_t i = first; i < last; ++i)
        for (size_t j = 0; j < length + 64 / sizeof(S) - 1; j += 64 / sizeof(S))
            __builtin_prefetch(from + i * stride + std::min(j, length - 1), 0, 2);
}

// Rows this far apart, or a multiple of it, conflict in the sets of the caches.
constexpr size_t SET_CONFLICT_STRIDE = 4096;

// Copies a block of A, so that its rows are not.
template <Form FORM, class S>
inline void copy_block(const S* from, size_t stride, size_t rows, size_t depth, S* to, size_t to_stride) {
    const size_t count = FORM == Form::columns ? depth : rows, length = FORM == Form::columns ? rows : depth;
    constexpr size_t L = LANES<S>;
    for (size_t i = 0; i < count; ++i, from += stride, to += to_stride) {
        size_t j = 0;
        for (; j + L <= length; j += L) store(to + j, load(from + j));
        if (j < length) store_part(to + j, load_part(from + j, int(length - j)), int(length - j));
    }
}

// How a product is cut into tiles, and what multiplies one: here the vectors of all processors.
template <class T, Form FORM, class S = T> struct Tiles {
    static constexpr Form form = FORM;
    struct Session {};                                                // what has to be set up for some products
    static constexpr size_t TOGETHER = std::is_same_v<T, S> ? 1 : 2;  // rows that are in the same tile
    static size_t count(size_t F) { return num_tiles(F); }
    static size_t start(size_t F, size_t t) {
        return std::min(F, (F + TOGETHER - 1) / TOGETHER * t / count(F) * TOGETHER);
    }
    static void multiply(const S* a, size_t stride, size_t jump, const S* b, size_t depth, T* c, size_t c_stride,
                         int rows, bool two, bool add, const Prefetch* prefetch = nullptr) {
        ReductionLoops loops = single_loop(depth);
        loops.prefetch = prefetch;
        if (FORM == Form::panels && depth > 0) {
            loops.outer = (depth + K_PER_PANEL<T, S> - 1) / K_PER_PANEL<T, S>;
            loops.depth = K_PER_PANEL<T, S>;
            loops.last = depth - (loops.outer - 1) * K_PER_PANEL<T, S>;
            loops.a_outer = ptrdiff_t(jump);
            loops.b_outer = K_PER_PANEL<T, S> * NR<T>;
        }
        tile_of<T, FORM, S>(rows, two)(a, stride, b, NR<T>, loops, c, c_stride, add);
    }
};

// C = A B for `num_rows` rows of a batch in panels; A (F, K) is at a[f + k * stride] for Form::columns, at a[f * stride
// + k] for Form::rows. `done(f, count, panel)` is called when rows f..f+count of C's panel are complete. Panels of B
// and C may have more rows than the product, b_rows and c_rows of them.
template <class Kernel, class T, class S, class Done>
static void panel_product(const S* a, size_t stride, size_t F, size_t K, const S* b, T* c, size_t first_panel,
                          size_t last_panel, size_t num_rows, bool add, Part part, Done&& done, size_t b_rows = 0,
                          size_t c_rows = 0) {
    if (b_rows == 0) b_rows = K;
    if (c_rows == 0) c_rows = F;
    constexpr bool COLUMNS = Kernel::form == Form::columns;
    constexpr size_t ROW = COLUMNS ? MR : KC + 32;  // of the rows of a copy
    alignas(64) S copy[std::is_same_v<S, T> ? MR * (KC + 32) : 1];
    const size_t tiles = Kernel::count(F), blocks = num_blocks(K);
    for (size_t group = first_panel; group < last_panel; group += NC_PANELS) {
        const size_t panels = std::min(NC_PANELS, last_panel - group);
        const auto [first, last] = part.of(tiles * panels);
        const bool copied = std::is_same_v<S, T> && panels > 1 && stride * sizeof(S) % SET_CONFLICT_STRIDE == 0;
        for (size_t block = 0; block < blocks; ++block) {
            const size_t k = block_start(K, block), depth = block_start(K, block + 1) - k;
            for (size_t unit = first; unit < last; ++unit) {
                const size_t t = unit / panels, p = group + unit % panels;
                const size_t f = Kernel::start(F, t), rows = Kernel::start(F, t + 1) - f;
                const S* from = COLUMNS ? a + f + k * stride : a + f * stride + k;
                if constexpr (std::is_same_v<S, T>)
                    if (copied && (unit == first || p == group))
                        copy_block<Kernel::form>(from, stride, rows, depth, copy, ROW);
                if (t + 1 < tiles) {
                    const size_t next = Kernel::start(F, t + 1), end = Kernel::start(F, t + 2);
                    prefetch_block<Kernel::form>(COLUMNS ? a + next + k * stride : a + next * stride + k, stride,
                                                 end - next, depth, {int(unit % panels), int(panels)});
                }
                Kernel::multiply(copied ? copy : from, copied ? ROW : stride, 0, b + (p * b_rows + k) * NR<T>, depth,
                                 c + (p * c_rows + f) * NR<T>, NR<T>, int(rows),
                                 num_rows - p * NR<T> > size_t(LANES<T>), add || k > 0);
                if (k + depth == K) done(f, rows, p);
            }
        }
    }
}

}  // namespace pysmorch
