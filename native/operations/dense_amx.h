// A dense block in bfloat16 on the matrix unit of a processor. The weights become bfloat16, in tiles, on their way into
// the products: a copy would be written and read again through the last-level cache, which takes longer than to convert
// them twice.
#pragma once
#ifdef PYSMORCH_BF16
#include "operations/dense_bf16.h"

namespace pysmorch {

class DenseAmx final : public DenseBf16 {
  public:
    using DenseBf16::DenseBf16;

    void reserve(size_t panels) override {
        DenseBf16::reserve(panels);
        x_tiles_.get(panels * D2_ * P);
    }

    bool forward_by_feature(const Step& s, int phase) const override {
        return phase + 1 == forward_phases() &&
               (s.panels % size_t(s.threads) != 0 || D_ * K_ * sizeof(float) > SHARED_FROM);
    }

    void gradient(const Step& s, const Task& task, const Updater<float>& updater, Workspace<float>& work) override {
        if (task.which < 0) bias_gradient(s, updater, work);
        else matrix_gradient<AmxTiles>(s, task, updater, work, [](size_t, size_t) {});
    }
    void add_tasks(const Step& s, std::vector<Task>& tasks) const override { add_tasks_of<AmxTiles>(s, tasks); }

  private:
    static constexpr size_t TILE = 16, BOTH = 2 * TILE,
                            SIZE = TILE * BOTH;  // pairs of a tile's column; rows and entries of two tiles
    // Pairs of a sum that are taken at a time, so that their weights stay in the L1 cache while all panels go past
    // them.
    static constexpr size_t KC_PAIRS = 256;
    // Bytes of weights from which threads divide them: each would convert all of them otherwise.
    static constexpr size_t SHARED_FROM = 128 << 10;

    // The input as tiles of A: [panel][16 pairs of features][row][pair].
    void take_lines(const __m512i (&lines)[L], size_t p, size_t k, int half) override {
        Pair* to = x_tiles_.get() + (p * (D2_ / TILE) + k / BOTH) * SIZE + size_t(half) * TILE;
        for (size_t i = 0; i < L; ++i) _mm512_storeu_si512(to + i * TILE, lines[i]);
    }
    void take_panel(const float* x, size_t p) override {
        for (size_t d = 0; d < D_; d += BOTH)
            for (int half = 0; half < P; half += L) {
                Vec<float> left[L], right[L];
                for (size_t i = 0; i < L; ++i) {
                    left[i] = d + i < D_ ? load(x + (d + i) * P + half) : Vec<float>{};
                    right[i] = d + L + i < D_ ? load(x + (d + L + i) * P + half) : Vec<float>{};
                }
                transpose<float>(left);
                transpose<float>(right);
                __m512i lines[L];
                for (int i = 0; i < L; ++i) lines[i] = row_of(left[i], right[i]);
                take_lines(lines, p, d, half);
            }
    }

    // Y (rows, outputs) = X W: tiles of B are pairs of rows of W.
    void multiply_forward(const Step& s, const Range& r, Workspace<float>& work) override {
        const size_t panels = r.last - r.first, tiles = AmxTiles::count(K_), steps = D2_ / TILE,
                     blocks = (steps * TILE + KC_PAIRS - 1) / KC_PAIRS;
        const auto [first, last] = r.part.of(tiles);
        if (first == last) return;
        [[maybe_unused]] const amx::Session session;
        Pair* weights = reinterpret_cast<Pair*>(work.c);
        float* sums = work.more.get(panels * BOTH * P);
        for (size_t t = first; t < last; ++t) {
            const size_t k = t * BOTH, columns = std::min(BOTH, K_ - k);
            for (size_t block = 0; block < blocks; ++block) {
                const size_t from = steps * block / blocks, to = steps * (block + 1) / blocks;
                for (size_t i = from; i < to; ++i) pair_rows(i * BOTH, k, columns, weights + (i - from) * SIZE);
                for (size_t p = 0; p < panels; ++p)
                    multiply_tiles(x_tiles_.get() + ((r.first + p) * steps + from) * SIZE, weights, to - from,
                                   block > 0, rows_in<float>(s, r.first + p) > L, columns > TILE, sums + p * BOTH * P,
                                   P);
            }
            for (size_t p = 0; p < panels; ++p) {
                put_features(sums + p * BOTH * P, columns, out->panel(r.first + p) + k * P);
                finish_panel(k, columns, r.first + p);
            }
        }
    }
    void multiply_rows(const Pair* x, size_t stride, size_t n, const RowsOf<float>& y) const override {
        [[maybe_unused]] const amx::Session session;
        alignas(64) float edge[BOTH * P];
        for (size_t t = 0; t < AmxTiles::count(K_); ++t)
            for (size_t r = 0; r < n; r += BOTH) {
                const size_t rows = std::min(BOTH, n - r), k = t * BOTH;
                float* const to = y.data + r * y.stride + k;
                const bool whole = rows == BOTH;
                const Pair* a = x + r * stride;
                multiply(a, stride, TILE, a + TILE * stride, pack_pairs_.get() + t * D2_ * P, D2_ / TILE, false,
                         rows > TILE, K_ - k > TILE, whole ? to : edge, whole ? y.stride : size_t(P));
                for (size_t i = 0; !whole && i < rows; ++i)
                    std::memcpy(to + i * y.stride, edge + i * P, std::min(BOTH, K_ - k) * sizeof(float));
            }
    }

    // From rows of the batch with 32 features to features of a panel.
    static void put_features(const float* sums, size_t features, float* to) {
        for (size_t f = 0; f < features; f += L)
            for (size_t half = 0; half < size_t(P); half += L) {
                Vec<float> square[L];
                for (size_t i = 0; i < L; ++i) square[i] = load(sums + (half + i) * P + f);
                transpose<float>(square);
                for (size_t i = 0; i < std::min<size_t>(L, features - f); ++i)
                    store(to + (f + i) * P + half, square[i]);
            }
    }

    // The gradient (inputs, rows) = W G: tiles of A are rows of W.
    void multiply_backward(const Step& s, const Range& r, Workspace<float>& work) override {
        const size_t tiles = AmxTiles::count(D_), steps = K2_ / TILE, blocks = (steps * TILE + KC_PAIRS - 1) / KC_PAIRS;
        const auto [first, last] = r.part.of(tiles);
        if (first == last) return;
        [[maybe_unused]] const amx::Session session;
        Pair* weights = reinterpret_cast<Pair*>(work.c);
        alignas(64) float edge[BOTH * P];
        for (size_t t = first; t < last; ++t) {
            const size_t d = t * BOTH, rows = std::min(BOTH, D_ - d);
            for (size_t block = 0; block < blocks; ++block) {
                const size_t from = steps * block / blocks, to = steps * (block + 1) / blocks;
                for (size_t i = from; i < to; ++i) row_tiles(d, rows, i * BOTH, weights + (i - from) * SIZE);
                for (size_t p = r.first; p < r.last; ++p) {
                    float* g = in[0]->grad_panel(p) + d * P;
                    const bool add = block > 0 || !this->overwrite[0];
                    float* sums = rows == BOTH ? g : edge;
                    if (add && sums == edge) std::memcpy(edge, g, rows * P * sizeof(float));
                    multiply_tiles(weights, g_pairs_.get() + (p * K2_ + from * TILE) * P, to - from, add, rows > TILE,
                                   rows_in<float>(s, p) > L, sums, P);
                    if (sums == edge) std::memcpy(g, edge, rows * P * sizeof(float));
                }
            }
        }
    }
    // 32 rows of the weights with 16 pairs of columns: a tile of A and the one below.
    void row_tiles(size_t d, size_t rows, size_t k, Pair* to) const {
        if (rows == BOTH && k + BOTH <= K_) {
            const float* w = W_ + d * K_ + k;
            for (size_t i = 0; i < BOTH; ++i, to += TILE, w += K_)
                _mm512_storeu_si512(to, row_of(load(w), load(w + L)));
            return;
        }
        for (size_t i = 0; i < BOTH; ++i, to += TILE) {
            const float* w = W_ + (d + i) * K_ + k;
            const bool there = i < rows;
            const Vec<float> left = there ? load_up_to(w, K_ - k) : Vec<float>{},
                             right = there && k + L < K_ ? load_up_to(w + L, K_ - k - L) : Vec<float>{};
            _mm512_storeu_si512(to, row_of(left, right));
        }
    }

    // 32 x 32 entries of A B, where the tiles of B are side by side. Tiles of A have rows of `row` pairs, and are
    // `next` pairs apart.
    static void multiply(const Pair* a, size_t row, size_t next, const Pair* below, const Pair* b, size_t steps,
                         bool add, bool lower, bool two, float* c, size_t stride) {
        if (add) amx::load_sums(c, stride, lower, two);
        else amx::zero_sums();
        for (size_t i = 0; i < steps; ++i, a += next, below += next, b += SIZE)
            amx::add_products(a, below, row, b, BOTH, lower, two);
        amx::store_sums(c, stride, lower, two);
    }

    // Where A is in pairs of tiles, one below the other.
    static void multiply_tiles(const Pair* a, const Pair* b, size_t steps, bool add, bool lower, bool two, float* c,
                               size_t stride) {
        multiply(a, TILE, SIZE, a + SIZE / 2, b, steps, add, lower, two, c, stride);
    }

    Buffer<Pair> x_tiles_;
};

}  // namespace pysmorch
#endif
