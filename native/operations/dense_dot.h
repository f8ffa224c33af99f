// A dense block in bfloat16 on the vectors of a processor. It keeps copies of its weights in bfloat16, one for each
// direction, which are repacked where the weights change.
#pragma once
#ifdef PYSMORCH_BF16
#include "operations/dense_bf16.h"

namespace pysmorch {

class DenseDot final : public DenseBf16 {
  public:
    using DenseBf16::DenseBf16;

    void reserve(size_t panels) override {
        DenseBf16::reserve(panels);
        packed_forward_.get(D2_ * padded_row(K_));
        if (in[0]->needs_grad) packed_backward_.get(round_up(D_, 32) * padded_row(K2_));
        x_pairs_.get(panels * D2_ * P);
    }
    void begin(Part part) override {
        const auto [first, last] = part.of((D_ + L - 1) / L);
        repack(first * L, std::min(D_, last * L), 0, K_);
    }

    void gradient(const Step& s, const Task& task, const Updater<float>& updater, Workspace<float>& work) override {
        if (task.which < 0) {
            bias_gradient(s, updater, work);
            return;
        }
        const size_t from = size_t(task.which) * columns_of_task(), end = std::min(K_, from + columns_of_task());
        matrix_gradient<Tiles<float, Form::panels, Pair>>(s, task, updater, work, [&](size_t d, size_t bottom) {
            if (updater.spec.clip_norm <= 0) repack(d, bottom, from, end);
        });
    }
    void add_tasks(const Step& s, std::vector<Task>& tasks) const override {
        add_tasks_of<Tiles<float, Form::panels, Pair>>(s, tasks);
    }

  private:
    // An odd number of cache lines: rows of a power of two would conflict in the sets of a cache.
    static size_t padded_row(size_t pairs) { return round_up(pairs, 16) | 16; }

    void take_lines(const __m512i (&lines)[L], size_t p, size_t k, int half) override {
        Vec<float> square[L];
        for (int i = 0; i < L; ++i) square[i] = Vec<float>(lines[i]);
        transpose<float>(square);
        Pair* pairs = x_pairs_.get() + p * D2_ * P;
        for (int i = 0; i < L; ++i) _mm512_storeu_si512(pairs + (k / 2 + size_t(i)) * P + half, __m512i(square[i]));
    }
    void take_panel(const float* x, size_t p) override { pair_features(x, D_, x_pairs_.get() + p * D2_ * P); }

    void multiply_forward(const Step& s, const Range& r, Workspace<float>&) override {
        panel_product<Tiles<float, Form::columns, Pair>>(
            packed_forward_.get(), padded_row(K_), K_, D2_, x_pairs_.get(), out->data, r.first, r.last, s.n, false,
            r.part, [&](size_t f, size_t count, size_t p) { finish_panel(f, count, p); });
    }
    void multiply_backward(const Step& s, const Range& r, Workspace<float>&) override {
        panel_product<Tiles<float, Form::rows, Pair>>(packed_backward_.get(), padded_row(K2_), D_, K2_, g_pairs_.get(),
                                                      in[0]->grad, r.first, r.last, s.n, !this->overwrite[0], r.part,
                                                      [](size_t, size_t, size_t) {});
    }

    void multiply_rows(const Pair* x, size_t stride, size_t n, const RowsOf<float>& y) const override {
        for (size_t t = 0; t < AmxTiles::count(K_); ++t)
            for (size_t i = 0; i < num_tiles(n); ++i) {
                const size_t r = tile_start(n, i);
                tile_of<float, Form::rows, Pair>(int(tile_start(n, i + 1) - r), K_ - t * P > size_t(L))(
                    x + r * stride, stride, pack_pairs_.get() + t * D2_ * P, P, single_loop(D2_),
                    y.data + r * y.stride + t * P, y.stride, false);
            }
    }

    // Rows top .. bottom and columns from .. end of the weights, in the copy for the forward pass, which has pairs of
    // rows, and in that for the backward pass, if there is one.
    void repack(size_t top, size_t bottom, size_t from, size_t end) {
        for (size_t d = top; d < bottom; d += L)
            for (size_t k = from; k < end; k += P) {
                Bf16* backward = in[0]->needs_grad
                                     ? reinterpret_cast<Bf16*>(packed_backward_.get()) + d * padded_row(K2_) * 2 + k
                                     : nullptr;
                copy_rows_and_pairs(
                    W_ + d * K_ + k, K_, std::min<size_t>(L, bottom - d), int(std::min<size_t>(P, end - k)),
                    packed_forward_.get() + d / 2 * padded_row(K_) + k, padded_row(K_), backward, padded_row(K2_) * 2);
            }
    }

    Buffer<Pair> packed_forward_, packed_backward_;  // the weights, in pairs of inputs and of outputs
    Buffer<Pair> x_pairs_;
};

}  // namespace pysmorch
#endif
