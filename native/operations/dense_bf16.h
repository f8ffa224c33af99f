// Dense blocks whose products are made of bfloat16, with sums in float. The weights proper stay float.
#pragma once
#ifdef PYSMORCH_BF16
#include "kernels/amx.h"
#include "operations/dense.h"

namespace pysmorch {

// What the blocks for vectors and for the matrix unit have in common: how inputs and gradients become bfloat16.
class DenseBf16 : public Dense<float> {
  public:
    DenseBf16(const Description& d, const Updater<float>& parameters)
        : Dense<float>(d, parameters), D2_(round_up(D_, 32) / 2), K2_(round_up(K_, 32) / 2) {}

    void reserve(size_t panels) override {
        x_rows_.get((panels * D_ + 32) * P / 2);  // a tile may look past the last feature
        g_pairs_.get(panels * K2_ * P);
        g_rows_.get(panels * P / 2 * round_up(K_, P));
    }

    size_t num_sums() const override { return D_ * K_; }
    size_t num_wide_sums() const override { return b_ ? K_ * L : 0; }

    // Both forms of the input at once, without numbers of float in between.
    bool gathers() const override { return true; }
    void gather(const Rows& data, const int64_t* order, int count, size_t more, size_t p, size_t first,
                size_t last) override {
        Pair* rows = x_rows_.get() + p * D_ * P / 2;
        RowPrefetcher prefetcher(data, order, size_t(count) + more, first, last);
        prefetcher.issue(prefetcher.lines() * L);
        for (int half = 0; half < P; half += L)
            for (size_t k = first; k < last; k += P) {
                __m512i lines[L];  // 32 features of each row
                prefetcher.issue(L * P * data.size() / LINE + 1);
                for (int i = 0; i < L; ++i) {
                    Vec<float> left{}, right{};
                    if (half + i < count) {
                        const size_t row = size_t(order[half + i]);
                        left = read_vector<float>(data, row, k, int(std::min<size_t>(L, D_ - k)));
                        if (k + L < D_)
                            right = read_vector<float>(data, row, k + L, int(std::min<size_t>(L, D_ - k - L)));
                    }
                    lines[i] = row_of(left, right);
                }
                take_lines(lines, p, k, half);
                Vec<float> square[L];
                // Pairs of rows for 16 features, and below for 16 more, become features with 8 pairs, and beside them
                // those of the others.
                for (int i = 0; i < L; ++i)
                    square[i] = Vec<float>(pairs_between(lines[i % 8 * 2], lines[i % 8 * 2 + 1], i >= 8));
                transpose<float>(square);
                for (size_t i = 0; i < L; ++i) {
                    Pair* to = rows + (k + i) * P / 2 + half / 2;
                    if (k + i < D_)
                        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_castsi512_si256(__m512i(square[i])));
                    if (k + L + i < D_)
                        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + L * P / 2),
                                            _mm512_extracti64x4_epi64(__m512i(square[i]), 1));
                }
            }
    }

    // First the input becomes bfloat16, unless it was gathered so, as the product takes it, and in pairs of rows for
    // the gradient of the weights.
    int forward_phases() const override { return in[0]->gathered ? 1 : 2; }
    bool forward_by_feature(const Step& s, int phase) const override {
        return phase + 1 == forward_phases() && (s.panels % size_t(s.threads) != 0 || D_ * K_ * 2 > LARGE);
    }
    void forward(const Step& s, const Range& r, int phase, Workspace<float>& work) override {
        if (phase + 1 == forward_phases()) {
            multiply_forward(s, r, work);
            return;
        }
        for (size_t p = r.first; p < r.last; ++p) {
            const float* x = in[0]->panel(p);
            take_panel(x, p);
            Pair* rows = x_rows_.get() + p * D_ * P / 2;
            // A matrix unit takes all rows of a panel: what nobody has computed may not be a number, and zero times it
            // neither.
            const bool two = rows_in<float>(s, p) > L;
            for (size_t d = 0; d < D_; ++d)
                _mm512_storeu_si512(rows + d * P / 2,
                                    row_of(load(x + d * P), two ? load(x + d * P + L) : Vec<float>{}));
        }
    }

    bool backward_by_feature(const Step& s, int phase) const override {
        return phase == 1 && forward_by_feature(s, forward_phases() - 1);
    }
    void backward(const Step& s, const Range& r, int phase, Workspace<float>& work) override {
        if (phase == 1) {
            multiply_backward(s, r, work);
            return;
        }
        for (size_t p = r.first; p < r.last; ++p) {
            float* g = out->grad_panel(p);
            if (activation_ != Activation::none)
                activate_back<float>(activation_, 0.0f, out->panel(p), out->panel(p), g, g, K_ * P);
            if (in[0]->needs_grad) pair_features(g, K_, g_pairs_.get() + p * K2_ * P);
            const int rows = rows_in<float>(s, p);
            for (size_t k = 0; k < K_; k += L)
                for (int half = 0; half < P; half += L) {
                    Vec<float> square[L];
                    for (int i = 0; i < L; ++i) square[i] = k + i < K_ ? load(g + (k + i) * P + half) : Vec<float>{};
                    transpose<float>(square);
                    for (int i = 0; i < L; ++i)
                        if (half + i >= rows) square[i] = Vec<float>{};
                    Pair* to = block(s, k / P) + (p * P + half) / 2 * P + k % P;
                    for (int i = 0; i < L; i += 2)
                        _mm512_storeu_si512(to + i / 2 * P, pairs_of(square[i], square[i + 1]));
                }
        }
    }

    // Prediction: pairs of rows of the weights for 32 columns at a time. A row has the same bits whatever other rows
    // there are.
    void reserve_rows(size_t) override { pack_pairs_.get(AmxTiles::count(K_) * D2_ * P); }
    void prepare(Part part) override {
        const auto [first, last] = part.of(AmxTiles::count(K_));
        for (size_t t = first; t < last; ++t)
            for (size_t d = 0; d < 2 * D2_; d += P)
                pair_rows(d, t * P, std::min<size_t>(P, K_ - t * P), pack_pairs_.get() + (t * D2_ + d / 2) * P);
    }
    void predict(const std::vector<RowsOf<float>>& inputs, const RowsOf<float>& y, size_t n,
                 Workspace<float>& work) const override {
        const RowsOf<float>& x = inputs[0];
        const size_t stride = D2_ + TILE_PAIRS;  // a line more: rows of a power of two would share few lines of a cache
        Pair* rows = reinterpret_cast<Pair*>(work.more.get(round_up(n, P) * stride));
        for (size_t r = 0; r < n; ++r)
            for (size_t d = 0; d < D_; d += P) {
                const float* from = x.data + r * x.stride + d;
                const Vec<float> left = load_up_to(from, D_ - d),
                                 right = d + L < D_ ? load_up_to(from + L, D_ - d - L) : Vec<float>{};
                _mm512_storeu_si512(rows + r * stride + d / 2, row_of(left, right));
            }
        multiply_rows(rows, stride, n, y);
        for (size_t r = 0; r < n; ++r) finish(y.data + r * y.stride);
    }

  protected:
    static constexpr int L = LANES<float>, P = NR<float>;
    static constexpr size_t TILE_PAIRS = 16;

    // y = x W for n rows of x in pairs of features.
    virtual void multiply_rows(const Pair* x, size_t stride, size_t n, const RowsOf<float>& y) const = 0;

    // 32 features, from feature k on, of 16 rows of panel p of the data, and all features of a panel, as the forward
    // product takes them.
    virtual void take_lines(const __m512i (&lines)[L], size_t p, size_t k, int half) = 0;
    virtual void take_panel(const float* x, size_t p) = 0;
    virtual void multiply_forward(const Step& s, const Range& r, Workspace<float>& work) = 0;
    virtual void multiply_backward(const Step& s, const Range& r, Workspace<float>& work) = 0;

    // The gradient of some rows of the weights, and what is to be done when they have changed.
    template <class Kernel, class Changed>
    void matrix_gradient(const Step& s, const Task& task, const Updater<float>& updater, Workspace<float>& work,
                         Changed changed) {
        [[maybe_unused]] const typename Kernel::Session session{};
        strip<Kernel>(
            task, updater, work,
            [&](size_t k, size_t d, int rows, float* c, size_t stride, bool two, const Prefetch& prefetch) {
                if (s.n > 0)
                    Kernel::multiply(x_rows_.get() + d * P / 2, P / 2, D_ * P / 2, block(s, k / P), (s.n + 1) / 2, c,
                                     stride, rows, two, updater.resumes, &prefetch);
            },
            changed);
    }

    // Pairs of rows of the weights for 32 columns; there are zeros after the last row and column.
    void pair_rows(size_t d, size_t k, size_t columns, Pair* to) const {
        if (d + P <= D_ && columns == size_t(P)) {
            const float* w = W_ + d * K_ + k;
            for (size_t i = 0; i < size_t(P); i += 2, to += P, w += 2 * K_) {
                _mm512_storeu_si512(to, pairs_of(load(w), load(w + K_)));
                _mm512_storeu_si512(to + L, pairs_of(load(w + L), load(w + K_ + L)));
            }
            return;
        }
        const size_t first = std::min<size_t>(columns, L), second = columns - first;
        for (size_t i = 0; i < size_t(P); i += 2, to += P) {
            const float* w = W_ + (d + i) * K_ + k;
            const bool above = d + i < D_, below = d + i + 1 < D_;
            auto part = [](bool there, const float* from, size_t count) {
                return there && count > 0 ? load_up_to(from, count) : Vec<float>{};
            };
            _mm512_storeu_si512(to, pairs_of(part(above, w, first), part(below, w + K_, first)));
            _mm512_storeu_si512(to + L, pairs_of(part(above, w + L, second), part(below, w + K_ + L, second)));
        }
    }
    Pair* block(const Step& s, size_t i) const { return g_rows_.get() + i * s.panels * P / 2 * P; }

    static void pair_features(const float* panel, size_t features, Pair* to) {
        for (size_t f = 0; f < features; f += 2, to += P)
            for (int half = 0; half < P; half += L) {
                const Vec<float> above = f + 1 < features ? load(panel + (f + 1) * P + half) : Vec<float>{};
                _mm512_storeu_si512(to + half, pairs_of(load(panel + f * P + half), above));
            }
    }

    void bias_gradient(const Step& s, const Updater<float>& updater, Workspace<float>& work) {
        for (size_t k = 0; k < K_; k += P) {
            const size_t columns = std::min<size_t>(P, K_ - k);
            for (size_t j = 0; j < columns; ++j) {
                DoubleSum<float> sum;
                double* const sums = updater.wide_sums_at(this->wide_offset + (k + j) * L);
                if (updater.resumes) std::memcpy(&sum.sum, sums, sizeof sum.sum);
                for (size_t p = 0; p < s.panels; ++p)
                    for (int half = 0; half < rows_in<float>(s, p); half += L)
                        sum.add(
                            load_up_to(out->grad_panel(p) + (k + j) * P + half, size_t(rows_in<float>(s, p) - half)));
                if (updater.holds) std::memcpy(sums, &sum.sum, sizeof sum.sum);
                else work.c[j] = float(sum.over(L));
            }
            if (!updater.holds) updater.take(bias_offset_ + k, K_, 1, columns, work.c, P);
        }
    }

    size_t D2_, K2_;  // pairs of inputs and of outputs, rounded up
    Buffer<Pair> x_rows_, g_pairs_, g_rows_, pack_pairs_;
};

}  // namespace pysmorch
#endif
