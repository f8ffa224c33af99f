// Convolution, with the bias, the activation and the max pooling that follow.
#pragma once
#include "operations/filtering.h"
#include "operations/fused_pooling.h"

namespace pysmorch {

template <class T> class Convolution : public Filtering<T> {
  public:
    using Filtering<T>::in;
    using Filtering<T>::out;
    using Filtering<T>::g_;
    using Filtering<T>::Filtering;

    bool fits() const override {
        return in[0]->cols == g_.cols() && out->cols == g_.out_cols() &&
               (!this->b_ || this->bias_size_ == g_.out_channels) &&
               this->has_room(seen(g_.down), across_with_margin(), g_.channels);
    }

    // A max pooling, where the activation costs nothing.
    bool fuse(std::unique_ptr<Operation<T>>& next) override {
        const auto* pool = dynamic_cast<const Pool<T, true>*>(next.get());
        if (!pool || !pool->is_fusable() || !this->is_simple() || !fuses(pool->geometry())) return false;
        pooling_.emplace(*pool, std::move(next), this->activation_ == Activation::relu);
        return true;
    }

    void reserve(size_t panels) override {
        this->reserve_shards(panels);
        if (pooling_) pooling_->reserve(panels);
    }

    void forward(const Step& s, const Range& range, int, Workspace<T>& work) override {
        const size_t row = this->row_of_y();
        each_part(
            range, pooling_ ? pooling_->rows() : size_t(g_.down.out_size), [&](size_t p, size_t first, size_t last) {
                const T* x = in[0]->panel(p);
                for (size_t r = first; r < last; ++r) {
                    if (pooling_) {
                        T* rows = work.rows.get(pooling_->down() * row);
                        for (size_t a = 0; a < pooling_->down(); ++a)
                            this->convolution_row(x, rows + a * row, r * pooling_->down() + a, this->two(s, p), false);
                        pooling_->pool_row(rows, p, r, out->panel(p),
                                           [this](Vec<T> v, size_t k) { return this->finished(v, k); });
                    } else {
                        T* y = out->panel(p) + r * row;
                        this->convolution_row(x, y, r, this->two(s, p), false);
                        this->finish(y, size_t(g_.across.out_size), g_.out_channels);
                    }
                }
            });
    }

    int backward_phases() const override { return in[0]->needs_grad ? 2 : 1; }
    void backward(const Step& s, const Range& range, int phase, Workspace<T>& work) override {
        if (phase == 1) {
            each_part(range, size_t(g_.down.size), [&](size_t p, size_t first, size_t last) {
                this->each_group_of_rows(
                    this->down_from_, first, last, pooling_ ? pooling_->rows_at_a_time() : SIZE_MAX,
                    [&](size_t start, size_t end, size_t from, size_t to) {
                        const T* g = pooling_ ? expanded(p, from, to, nullptr, work) : out->grad_panel(p);
                        for (size_t r = start; r < end; ++r)
                            this->adjoint_row(g, in[0]->grad_panel(p) + r * this->row_of_x(), r, this->two(s, p),
                                              !this->overwrite[0], pooling_ ? from : 0);
                    });
            });
            return;
        }
        const size_t height = size_t(g_.down.out_size), width = size_t(g_.across.out_size), K = g_.out_channels;
        this->each_shard(s, range, height, [&](size_t p, size_t shard, size_t first, size_t last) {
            this->clear(shard);
            for (size_t r = first; r < last; ++r) {
                const size_t at = r * this->row_of_y();
                T* g = pooling_ ? expanded(p, r, r + 1, this->bias_sums(shard), work) : out->grad_panel(p) + at;
                if (!pooling_) this->finish_back(g, out->panel(p) + at, width, K, this->bias_sums(shard));
                this->add_weight_sums(in[0]->panel(p), g, r, size_t(rows_in<T>(s, p)), this->weight_sums(shard), work);
            }
        });
    }

    void reserve_rows(size_t) override { this->pack_.get(this->pack_size(this->C_, this->K_)); }
    void prepare(Part part) override {
        const size_t K = g_.out_channels, C = this->C_;
        this->pack(C, this->K_, 1, part,
                   [&](size_t g, size_t tap, size_t c) { return this->W_ + (tap * C + c) * K + g * this->K_; });
    }
    void predict(const std::vector<RowsOf<T>>& inputs, const RowsOf<T>& y, size_t n,
                 Workspace<T>& work) const override {
        const Axis &down = g_.down, &across = g_.across;
        const size_t C = g_.channels, K = g_.out_channels, group = this->C_, height = size_t(down.out_size),
                     width = size_t(across.out_size);
        const size_t needed = seen(down), row = across_with_margin();
        const size_t depth = this->taps() * group, blocks = round_up(this->K_, NR<T>);
        ReductionLoops loops;
        loops.outer = size_t(down.kernel);
        loops.a_outer = ptrdiff_t(size_t(down.dilation) * row * C);
        loops.b_outer = ptrdiff_t(size_t(across.kernel) * group * NR<T>);
        if (this->groups_ == 1 && across.dilation == 1) {
            loops.depth = loops.last = size_t(across.kernel) * C;
        } else {
            loops.inner = size_t(across.kernel);
            loops.depth = loops.last = group;
            loops.a_inner = ptrdiff_t(size_t(across.dilation) * C);
            loops.b_inner = ptrdiff_t(group * NR<T>);
        }
        std::vector<RowsOf<T>> image;
        if (pooling_) image.push_back({work.rows.get(height * width * K)});
        for (size_t r = 0; r < n; ++r) {
            T* const result = y.data + r * y.stride;
            T* to = pooling_ ? image[0].data : result;
            const T* x =
                this->with_margin(inputs[0].data + r * inputs[0].stride, size_t(down.size), size_t(across.size), C,
                                  size_t(down.pad), size_t(across.pad), needed, row, work.more);
            for (size_t i = 0; i < height; ++i)
                for (size_t g = 0; g < this->groups_; ++g)
                    this->predict_positions(width, x + i * size_t(down.stride) * row * C + g * group,
                                            size_t(across.stride) * C, loops, depth, this->K_, to + i * width * K, K, g,
                                            this->pack_.get() + g * depth * blocks);
            this->finish_row(to, height * width, K);
            if (pooling_) pooling_->predict(image, result, work);
        }
    }

  protected:
    virtual bool fuses(const Geometry& pool) const {
        (void)pool;
        return true;
    }
    // Rows from .. to of the gradient of what the pooling reads, whose sums are added to those of the bias.
    T* expanded(size_t p, size_t from, size_t to, T* bias_sums, Workspace<T>& work) const {
        const size_t row = this->row_of_y();
        T* rows = work.rows.get((to - from) * row);
        for (size_t r = from; r < to; ++r)
            pooling_->expand_row(out->grad_panel(p), p, r, rows + (r - from) * row, this->b_ ? bias_sums : nullptr);
        return rows;
    }

    std::optional<FusedPooling<T>> pooling_;

  private:
    // ImageLayout of an image and its margin that the windows see.
    static size_t seen(const Axis& a) {
        return size_t(a.out_size - 1) * size_t(a.stride) + size_t((a.kernel - 1) * a.dilation) + 1;
    }
    size_t across_with_margin() const { return std::max(seen(g_.across), size_t(g_.across.pad + g_.across.size)); }
};

extern template class Convolution<float>;
extern template class Convolution<double>;

}  // namespace pysmorch
