// A dense block whose products are made of bfloat16, with sums in float. The weights proper stay float; copies in bfloat16
// are renewed where the weights change.
#pragma once
#ifdef PYSMORCH_BF16
#include "../amx.h"
#include "dense.h"

namespace pysmorch {

class DenseBf16 final : public Dense<float> {
  public:
    DenseBf16(const Description& d, const Updater<float>& parameters)
        : Dense<float>(d, parameters), D2_(round_up(D_, 32) / 2), K2_(round_up(K_, 32) / 2) {}

    void reserve(size_t panels) override {
        across_.get(round_up(K_, 32) * apart(D2_));
        along_.get(round_up(D_, 32) * apart(K2_));
        x_pairs_.get(panels * D2_ * P);
        x_rows_.get((panels * D_ + 32) * P / 2);   // a tile may look past the last feature
        g_pairs_.get(panels * K2_ * P);
        g_rows_.get(panels * P / 2 * round_up(K_, P));
    }
    void begin(Part part) override {
        const auto [first, last] = part.of(num_tiles(D_));
        for (size_t t = first; t < last; ++t)
            for (size_t k = 0; k < K_; k += P) renew(tile_start(D_, t), tile_start(D_, t + 1) - tile_start(D_, t), k);
    }

    // First the input becomes bfloat16: pairs of features for the product, pairs of rows for the gradient of the weights.
    int forward_phases() const override { return 2; }
    bool forward_by_feature(const Step& s, int phase) const override {
        return phase == 1 && (s.panels % size_t(s.threads) != 0 || D_ * K_ * 2 > LARGE);
    }
    void forward(const Step& s, const Range& r, int phase, Workspace<float>&) override {
        if (phase == 1) {
            multiply(across_.get(), D2_, K_, x_pairs_.get(), out->data, s, r, false, [&](size_t f, size_t count, size_t p) { finish_panel(f, count, p); });
            return;
        }
        for (size_t p = r.first; p < r.last; ++p) {
            const float* x = in[0]->panel(p);
            pair_features(x, D_, x_pairs_.get() + p * D2_ * P);
            Pair* rows = x_rows_.get() + p * D_ * P / 2;
            // A matrix unit takes all rows of a panel: what nobody has computed may not be a number, and zero times it neither.
            const bool two = rows_in<float>(s, p) > L;
            for (size_t d = 0; d < D_; ++d) _mm512_storeu_si512(rows + d * P / 2, row_of(load(x + d * P), two ? load(x + d * P + L) : Vec<float>{}));
        }
    }

    bool backward_by_feature(const Step& s, int phase) const override { return phase == 1 && forward_by_feature(s, 1); }
    void backward(const Step& s, const Range& r, int phase, Workspace<float>&) override {
        if (phase == 1) {
            multiply(along_.get(), K2_, D_, g_pairs_.get(), in[0]->grad, s, r, !this->first[0], [](size_t, size_t, size_t) {});
            return;
        }
        for (size_t p = r.first; p < r.last; ++p) {
            float* g = out->grad_panel(p);
            if (activation_ != Activation::none) activate_back<float>(activation_, 0.0f, out->panel(p), out->panel(p), g, g, K_ * P);
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
                    for (int i = 0; i < L; i += 2) _mm512_storeu_si512(to + i / 2 * P, pairs_of(square[i], square[i + 1]));
                }
        }
    }

    void gradient(const Step& s, const Task& task, const Updater<float>& updater, Workspace<float>& work) override {
        if (task.which < 0) {
            bias_gradient(s, updater, work);
            return;
        }
        if (AmxTiles::usable()) matrix_gradient<AmxTiles>(s, task, updater, work);
        else matrix_gradient<Tiles<float, Form::panels, Pair>>(s, task, updater, work);
    }
    void add_tasks(const Step& s, std::vector<Task>& tasks) const override {
        if (AmxTiles::usable()) add_tasks_of<AmxTiles>(s, tasks);
        else add_tasks_of<Tiles<float, Form::panels, Pair>>(s, tasks);
    }

  private:
    static size_t apart(size_t pairs) { return pairs | 16; }
    static constexpr int L = LANES<float>, P = WIDE<float>;

    // C = A B, with the processor's matrix unit where it has one.
    template <class Done>
    static void multiply(const Pair* a, size_t K, size_t F, const Pair* b, float* c, const Step& s, const Range& r, bool add, Done&& done) {
        if (AmxTiles::usable()) {
            [[maybe_unused]] const AmxTiles::Session session{};
            panel_product<AmxTiles>(a, apart(K), F, K, b, c, r.first, r.last, s.n, add, r.part, done);
        } else {
            panel_product<Tiles<float, Form::rows, Pair>>(a, apart(K), F, K, b, c, r.first, r.last, s.n, add, r.part, done);
        }
    }

    template <class Kernel> void matrix_gradient(const Step& s, const Task& task, const Updater<float>& updater, Workspace<float>& work) {
        [[maybe_unused]] const typename Kernel::Session session{};
        strip<Kernel>(task, updater, work, [&](size_t k, size_t d, int rows, float* c, size_t stride, bool two, const Wanted& wanted) {
            Kernel::multiply(x_rows_.get() + d * P / 2, P / 2, D_ * P / 2, block(s, k / P), (s.n + 1) / 2, c, stride, rows, two, false, &wanted);
        });
        if (updater.spec.clip_norm > 0) return;
        const size_t from = size_t(task.which) * columns_of_task(), end = std::min(K_, from + columns_of_task());
        const size_t bottom = Kernel::start(D_, task.last);
        for (size_t d = Kernel::start(D_, task.first); d < bottom; d += L)
            for (size_t k = from; k < end; k += P) renew(d, std::min<size_t>(L, bottom - d), k);
    }

    Pair* block(const Step& s, size_t i) const { return g_rows_.get() + i * s.panels * P / 2 * P; }

    // Rows d .. d + count and columns k .. k + P of the weights, in both copies.
    void renew(size_t d, size_t count, size_t k) {
        copy_both_ways(W_ + d * K_ + k, K_, count, int(std::min<size_t>(P, K_ - k)), reinterpret_cast<Bf16*>(across_.get()) + k * apart(D2_) * 2 + d, apart(D2_) * 2,
                       reinterpret_cast<Bf16*>(along_.get()) + d * apart(K2_) * 2 + k, apart(K2_) * 2);
    }

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
                double sum = 0;
                for (size_t p = 0; p < s.panels; ++p)
                    for (int half = 0; half < rows_in<float>(s, p); half += L) {
                        const Vec<float> g = load(out->grad_panel(p) + (k + j) * P + half);
                        sum += double(_mm512_mask_reduce_add_ps(__mmask16((1u << std::min(L, rows_in<float>(s, p) - half)) - 1), g));
                    }
                work.c[j] = float(sum);
            }
            updater.take(bias_place_ + k, K_, 1, columns, work.c, P);
        }
    }

    size_t D2_, K2_;                    // pairs in a row of the copies
    Buffer<Pair> across_, along_;       // the weights, in rows of inputs for each output, and of outputs for each input
    Buffer<Pair> x_pairs_, x_rows_, g_pairs_, g_rows_;
};

}  // namespace pysmorch
#endif
