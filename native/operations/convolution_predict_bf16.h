// A convolution in a program that only predicts, with products of bfloat16 and sums in float.
//
// An implicit GEMM on plain images: an output position is a row of A, since the channels that a row of the kernel sees
// at it lie side by side; weights are B, in pairs of channels for 32 outputs at a time.
#pragma once
#ifdef PYSMORCH_BF16
#include <optional>

#include "kernels/amx.h"
#include "operations/convolution.h"

namespace pysmorch {

class PredictingConvolution final : public Convolution<float> {
  public:
    static bool pays(const Description& d) { return d.number("groups") == 1; }

    PredictingConvolution(const Description& d, const Updater<float>& parameters)
        : Convolution<float>(d, parameters), joined_(g_.across.dilation == 1), matrix_unit_(AmxTiles::usable()),
          pairs_((C_ + 1) / 2) {
        // On the matrix unit there are zeros after the last channel, until the pairs of a stretch make tiles of equal
        // depth.
        for (;; ++pairs_) {
            length_ = joined_ ? size_t(g_.across.kernel) * pairs_ : pairs_;
            steps_ = (length_ + TILE - 1) / TILE;
            if (!matrix_unit_ || length_ % steps_ == 0) break;
        }
    }

    void reserve_rows(size_t) override { weights_.get(blocks() * taps() * pairs_ * P); }
    void prepare(Part part) override {
        const auto [first, last] = part.of(blocks() * taps());
        for (size_t i = first; i < last; ++i) {
            const size_t k = i / taps() * P, tap = i % taps(), columns = std::min(P, K_ - k);
            Pair* to = weights_.get() + i * pairs_ * P;
            for (size_t c = 0; c < C_; c += 2, to += P) {
                const float* w = W_ + (tap * C_ + c) * K_ + k;
                for (size_t half = 0; half < P; half += L) {
                    const bool there = half < columns, below = there && c + 1 < C_;
                    const Vec<float> a = there ? load_up_to(w + half, columns - half) : Vec<float>{},
                                     b = below ? load_up_to(w + K_ + half, columns - half) : Vec<float>{};
                    _mm512_storeu_si512(to + half, pairs_of(a, b));
                }
            }
        }
    }

    void predict(const std::vector<RowsOf<float>>& inputs, const RowsOf<float>& y, size_t n,
                 Workspace<float>& work) const override {
        std::optional<amx::Session> session;
        if (matrix_unit_) session.emplace(shapes());
        const size_t height = size_t(g_.down.out_size), width = size_t(g_.across.out_size);
        const size_t rows =
            size_t(g_.down.out_size - 1) * size_t(g_.down.stride) + size_t((g_.down.kernel - 1) * g_.down.dilation) + 1;
        const size_t positions = size_t(g_.across.out_size - 1) * size_t(g_.across.stride) +
                                 size_t((g_.across.kernel - 1) * g_.across.dilation) + 1;
        const size_t row = positions * pairs_, room = rows * row + 2 * TILE * size_t(g_.across.stride) * pairs_ +
                                                      TILE;  // tiles look past the last position
        Pair* image = reinterpret_cast<Pair*>(work.more.get(room));
        for (size_t r = 0; r < n; ++r) {
            const float* x = inputs[0].data + r * inputs[0].stride;
            for (size_t i = 0; i < rows; ++i) pair_row(x, ptrdiff_t(i) - g_.down.pad, positions, image + i * row);
            std::memset(static_cast<void*>(image + rows * row), 0, (room - rows * row) * sizeof(Pair));
            float* to = y.data + r * y.stride;
            for (size_t i = 0; i < height; ++i) {
                const Pair* from = image + i * size_t(g_.down.stride) * row;
                for (size_t block = 0; block < blocks(); ++block) {
                    if (matrix_unit_) multiply_tiles(from, row, block, to + i * width * K_ + block * P);
                    else multiply_vectors(from, row, block, to + i * width * K_ + block * P);
                }
            }
            finish_row(to, height * width, K_);
        }
    }

  private:
    static constexpr size_t L = LANES<float>, P = NR<float>, TILE = 16, BOTH = 2 * TILE;

    size_t blocks() const { return (K_ + P - 1) / P; }
    amx::Shapes shapes() const {
        amx::Shapes all = amx::WHOLE;
        if (matrix_unit_) all[4].columns = all[5].columns = all[6].rows = all[7].rows = uint8_t(length_ / steps_);
        return all;
    }

    // Row i of the image in pairs of channels, with its margins; zeros where the image has none.
    void pair_row(const float* x, ptrdiff_t i, size_t positions, Pair* to) const {
        const ptrdiff_t width = g_.across.size;
        for (ptrdiff_t j = -g_.across.pad; j < ptrdiff_t(positions) - g_.across.pad; ++j, to += pairs_) {
            if (i < 0 || i >= g_.down.size || j < 0 || j >= width) {
                std::memset(to, 0, pairs_ * sizeof(Pair));
                continue;
            }
            const float* from = x + size_t(i * width + j) * C_;
            for (size_t pair = 0; pair < pairs_; pair += L) {
                const size_t c = 2 * pair, count = c < C_ ? C_ - c : 0;
                const Vec<float> left = count > 0 ? load_up_to(from + c, count) : Vec<float>{},
                                 right = count > L ? load_up_to(from + c + L, count - L) : Vec<float>{};
                _mm512_mask_storeu_epi32(to + pair, __mmask16((uint32_t(1) << std::min(L, pairs_ - pair)) - 1),
                                         row_of(left, right));
            }
        }
    }

    // A row of positions for 32 channels of the output.
    void multiply_vectors(const Pair* x, size_t row, size_t block, float* y) const {
        const size_t width = size_t(g_.across.out_size), step = size_t(g_.across.stride) * pairs_,
                     columns = std::min(P, K_ - block * P), across = size_t(g_.across.kernel);
        alignas(64) float edge[size_t(MR) * P];
        ReductionLoops loops;
        loops.outer = size_t(g_.down.kernel);
        loops.a_outer = ptrdiff_t(size_t(g_.down.dilation) * row);
        loops.b_outer = ptrdiff_t(across * pairs_ * P);
        loops.inner = joined_ ? 1 : across;
        loops.depth = loops.last = length_;
        loops.a_inner = ptrdiff_t(size_t(g_.across.dilation) * pairs_);
        loops.b_inner = ptrdiff_t(pairs_ * P);
        const Pair* weights = weights_.get() + block * taps() * pairs_ * P;
        for (size_t t = 0; t < num_tiles(width); ++t) {
            const size_t i = tile_start(width, t), count = tile_start(width, t + 1) - i;
            const bool two = columns > L, whole = columns == (two ? P : L);
            float* to = y + i * K_;
            tile_of<float, Form::rows, Pair>(int(count), two)(x + i * step, step, weights, P, loops, whole ? to : edge,
                                                              whole ? K_ : P, false);
            for (size_t r = 0; !whole && r < count; ++r)
                std::memcpy(to + r * K_, edge + r * P, columns * sizeof(float));
        }
    }
    void multiply_tiles(const Pair* x, size_t row, size_t block, float* y) const {
        const size_t width = size_t(g_.across.out_size), step = size_t(g_.across.stride) * pairs_,
                     columns = std::min(P, K_ - block * P), depth = length_ / steps_;
        alignas(64) float edge[BOTH * P];
        for (size_t i = 0; i < width; i += BOTH) {
            const size_t count = std::min(BOTH, width - i);
            const bool lower = count > TILE, two = columns > TILE, whole = count == BOTH && columns == P;
            amx::zero_sums();
            const Pair* b = weights_.get() + block * taps() * pairs_ * P;
            for (int dy = 0; dy < g_.down.kernel; ++dy)
                for (int dx = 0; dx < (joined_ ? 1 : g_.across.kernel); ++dx) {
                    const Pair* a =
                        x + size_t(dy * g_.down.dilation) * row + i * step + size_t(dx * g_.across.dilation) * pairs_;
                    for (size_t s = 0; s < steps_; ++s, a += depth, b += depth * P)
                        amx::add_products(a, a + TILE * step, step, b, P, lower, two);
                }
            float *to = y + i * K_, *sums = whole ? to : edge;
            amx::store_sums(sums, whole ? K_ : P, lower, two);
            for (size_t r = 0; !whole && r < count; ++r)
                std::memcpy(to + r * K_, edge + r * P, columns * sizeof(float));
        }
    }

    bool joined_, matrix_unit_;              // whether the taps of a row are one stretch
    size_t pairs_, length_ = 0, steps_ = 1;  // pairs of a position and of a stretch, and its tiles
    Buffer<Pair> weights_;                   // [32 outputs][tap][pair of channels][output]
};

}  // namespace pysmorch
#endif
