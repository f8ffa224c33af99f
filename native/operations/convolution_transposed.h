// The adjoint of a convolution, with the bias and the activation that follow.
#pragma once
#include "operations/filtering.h"

namespace pysmorch {

// The adjoint: what a Convolution computes as a gradient is what this computes, and the other way round.
template <class T> class TransposedConvolution final : public Filtering<T> {
  public:
    using Filtering<T>::in;
    using Filtering<T>::out;
    using Filtering<T>::g_;
    using Filtering<T>::Filtering;

    bool fits() const override {
        return this->groups_ == 1 && in[0]->cols == g_.out_cols() && out->cols == g_.cols() &&
               (!this->b_ || this->bias_size_ == g_.channels) &&
               this->has_room(with_margins(g_.down), with_margins(g_.across), g_.out_channels);
    }

    void forward(const Step& s, const Range& range, int, Workspace<T>&) override {
        const size_t width = size_t(g_.across.size), C = g_.channels;
        each_part(range, size_t(g_.down.size), [&](size_t p, size_t first, size_t last) {
            for (size_t r = first; r < last; ++r) {
                T* y = out->panel(p) + r * this->row_of_x();
                this->adjoint_row(in[0]->panel(p), y, r, this->two(s, p), false);
                this->finish(y, width, C);
            }
        });
    }

    int backward_phases() const override { return in[0]->needs_grad ? 3 : 2; }
    void backward(const Step& s, const Range& range, int phase, Workspace<T>& work) override {
        if (phase == 2) {
            each_part(range, size_t(g_.down.out_size), [&](size_t p, size_t first, size_t last) {
                for (size_t r = first; r < last; ++r)
                    this->convolution_row(out->grad_panel(p), in[0]->grad_panel(p) + r * this->row_of_y(), r,
                                          this->two(s, p), !this->overwrite[0]);
            });
            return;
        }
        // A row of the input meets several rows of the output, so that the gradients of all of them have to be there
        // first.
        const size_t height = size_t(phase == 0 ? g_.down.size : g_.down.out_size), width = size_t(g_.across.size),
                     C = g_.channels;
        this->each_shard(s, range, height, [&](size_t p, size_t shard, size_t first, size_t last) {
            if (phase == 0) {
                std::memset(this->bias_sums(shard), 0, this->bias_size_ * NR<T> * sizeof(T));
                for (size_t r = first; r < last; ++r) {
                    const size_t at = r * width * C * NR<T>;
                    this->finish_back(out->grad_panel(p) + at, out->panel(p) + at, width, C, this->bias_sums(shard));
                }
            } else {
                std::memset(this->weight_sums(shard), 0, this->taps() * this->C_ * this->stride() * sizeof(T));
                for (size_t r = first; r < last; ++r)
                    this->add_weight_sums(out->grad_panel(p), in[0]->panel(p) + r * this->row_of_y(), r,
                                          size_t(rows_in<T>(s, p)), this->weight_sums(shard), work);
            }
        });
    }

    void reserve_rows(size_t) override { this->pack_.get(this->pack_size(g_.out_channels, g_.channels)); }
    void prepare(Part part) override {
        const size_t K = g_.out_channels, C = g_.channels;
        this->pack(K, C, K, part, [&](size_t, size_t tap, size_t k) { return this->W_ + tap * C * K + k; });
    }
    // Positions of a row that are a stride apart meet the same taps, at neighbouring positions of the input.
    void predict(const std::vector<RowsOf<T>>& inputs, const RowsOf<T>& y, size_t n,
                 Workspace<T>& work) const override {
        const Axis &down = g_.down, &across = g_.across;
        const size_t C = g_.channels, K = g_.out_channels, depth = this->taps() * K;
        const int top = margin(down), left = margin(across);
        const size_t row = with_margins(across), rows = with_margins(down);
        for (size_t r = 0; r < n; ++r) {
            T* to = y.data + r * y.stride;
            const T* x = this->with_margin(inputs[0].data + r * inputs[0].stride, size_t(down.out_size),
                                           size_t(across.out_size), K, size_t(top), size_t(left), rows, row, work.more);
            for (int i = 0; i < down.size; ++i) {
                const Taps v = unbounded(down, i);
                for (int j = 0; j < std::min(across.stride, across.size); ++j) {
                    const Taps h = unbounded(across, j);
                    ReductionLoops loops;
                    loops.outer = h.count == 0 ? 0 : size_t(v.count);
                    loops.inner = size_t(h.count);
                    loops.depth = loops.last = K;
                    loops.a_outer = v.move * ptrdiff_t(row * K);
                    loops.a_inner = h.move * ptrdiff_t(K);
                    loops.b_outer = ptrdiff_t(size_t(v.tap_step * across.kernel) * K * NR<T>);
                    loops.b_inner = ptrdiff_t(size_t(h.tap_step) * K * NR<T>);
                    const T* from = x + ((v.position + top) * ptrdiff_t(row) + h.position + left) * ptrdiff_t(K);
                    const size_t count = size_t((across.size - 1 - j) / across.stride + 1);
                    this->predict_positions(count, from, K, loops, depth, C, to + size_t(i * across.size + j) * C,
                                            size_t(across.stride) * C, 0,
                                            this->pack_.get() + size_t(v.tap * across.kernel + h.tap) * K * NR<T>);
                }
            }
            this->finish_row(to, g_.positions(), C);
        }
    }

  private:
    // Positions before the input that taps meet, and those with the input and what is after it.
    static int margin(const Axis& a) { return (a.kernel - 1) * a.dilation / a.stride + 1; }
    static size_t with_margins(const Axis& a) {
        return size_t(margin(a) + std::max((a.size + a.pad) / a.stride + 1, a.out_size));
    }
    // All taps that meet a position of the input or of its margin.
    static Taps unbounded(Axis axis, int i) {
        const int far = margin(axis);
        axis.pad += far * axis.stride;
        axis.out_size = (i + axis.pad) / axis.stride + 1;
        Taps t = axis.from(i);
        t.position -= far;
        return t;
    }
};

}  // namespace pysmorch
