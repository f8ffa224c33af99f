// Weights of a convolution as bfloat16, packed in tiles for the matrix unit.
#pragma once
#ifdef PYSMORCH_BF16
#include "kernels/amx.h"
#include "operations/convolution.h"

namespace pysmorch {

// The layout for the forward or for the backward pass: from which channels to which, and how the filters lie in tiles.
struct PackedFilters {
    static constexpr size_t TILE = 16;
    size_t from, to;      // channels
    size_t pairs;         // of channels, of a position
    size_t stretches;     // of a row of taps
    size_t steps, depth;  // tiles of a stretch, and pairs of each
    bool joined;          // whether a row of taps is one stretch
    ptrdiff_t origin;     // position at which a row of pairs begins
    Buffer<Pair> tiles;   // [tile of output channels][row of taps][stretch][step][output channel][pair]

    PackedFilters(size_t from, size_t to, int kernel, bool joined, int origin)
        : from(from), to(to), pairs((from + 1) / 2), stretches(joined ? 1 : size_t(kernel)), joined(joined),
          origin(joined ? origin : 0) {
        // Zeros after the last channel, until the pairs make tiles of equal depth.
        for (;; ++pairs) {
            const size_t length = joined ? size_t(kernel) * pairs : pairs;
            steps = (length + TILE - 1) / TILE;
            depth = length / steps;
            if (length % steps == 0) break;
        }
    }
    size_t row_of_taps() const { return stretches * steps * TILE * depth; }
    size_t size(int kernel_height) const { return (to + TILE - 1) / TILE * size_t(kernel_height) * row_of_taps(); }
    // Where pair `at` of a row of taps is for an output channel.
    Pair* entry(size_t channel, size_t kernel_height, size_t row, size_t tap, size_t pair) const {
        const size_t at = joined ? tap * pairs + pair : pair, stretch = joined ? 0 : tap;
        return tiles.get() + (channel / TILE * kernel_height + row) * row_of_taps() +
               ((stretch * steps + at / depth) * TILE + channel % TILE) * depth + at % depth;
    }
    amx::Shapes shapes() const {
        amx::Shapes all = amx::WHOLE;
        all[4].columns = all[5].columns = all[6].rows = all[7].rows = uint8_t(depth);
        return all;
    }
};

}  // namespace pysmorch
#endif
