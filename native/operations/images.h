// Operations that move the positions of an image: Upsample2d, Pad2d, and random changes of the images in training.
#pragma once
#include "core/random.h"
#include "operations/geometry.h"

namespace pysmorch {

// Every position of the output is a position of the input, or zero; which one is told by a function of the row and one
// of the column.
template <class T> class MovePositions final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;

    MovePositions(const Description& d, const Updater<T>&)
        : pads_(d.kind == "pad2d"), g_(d), row_(g_.channels * NR<T>) {
        require(g_.channels == g_.out_channels, d.kind + ": the channels do not fit");
        if (pads_) {
            g_.down.pad = whole_number(d, "pad_top", 0);
            g_.across.pad = whole_number(d, "pad_left", 0);
            require(
                g_.down.pad + g_.down.size <= g_.down.out_size && g_.across.pad + g_.across.size <= g_.across.out_size,
                d.kind + ": the sizes do not fit");
        } else {
            g_.down.stride = whole_number(d, "stride_height", 1);
            g_.across.stride = whole_number(d, "stride_width", 1);
            for (const Axis& a : {g_.down, g_.across})
                require(a.out_size == int64_t(a.size) * a.stride, d.kind + ": the sizes do not fit");
        }
    }
    bool fits() const override { return in[0]->cols == g_.cols() && out->cols == g_.out_cols(); }

    void forward(const Step&, const Range& r, int, Workspace<T>&) override {
        for (size_t p = r.first; p < r.last; ++p) move(in[0]->panel(p), out->panel(p), row_);
    }
    void backward(const Step&, const Range& r, int, Workspace<T>&) override {
        if (!in[0]->needs_grad) return;
        for (size_t p = r.first; p < r.last; ++p) {
            if (this->overwrite[0]) std::memset(in[0]->grad_panel(p), 0, g_.positions() * row_ * sizeof(T));
            each([&](ptrdiff_t from, size_t to) {
                if (from < 0) return;
                T* g = in[0]->grad_panel(p) + size_t(from) * row_;
                const T* d = out->grad_panel(p) + to * row_;
                for (size_t i = 0; i < row_; i += LANES<T>) store(g + i, load(g + i) + load(d + i));
            });
        }
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        for (size_t r = 0; r < n; ++r) move(x[0].data + r * x[0].stride, y.data + r * y.stride, g_.channels);
    }

  private:
    ptrdiff_t source(const Axis& a, int o) const {
        if (!pads_) return o / a.stride;
        return o < a.pad || o >= a.pad + a.size ? -1 : o - a.pad;
    }
    template <class F> void each(F f) const {
        for (int i = 0; i < g_.down.out_size; ++i)
            for (int j = 0; j < g_.across.out_size; ++j) {
                const ptrdiff_t v = source(g_.down, i), h = source(g_.across, j);
                f(v < 0 || h < 0 ? -1 : v * g_.across.size + h, size_t(i) * size_t(g_.across.out_size) + size_t(j));
            }
    }
    void move(const T* x, T* y, size_t row) const {
        each([&](ptrdiff_t from, size_t to) {
            if (from < 0) std::memset(y + to * row, 0, row * sizeof(T));
            else std::memcpy(y + to * row, x + size_t(from) * row, row * sizeof(T));
        });
    }

    bool pads_;
    Geometry g_;
    size_t row_;
};

// A random change of each image in training: numbers that depend on seed, position and step tell what a row of the
// batch gets.
template <class T> class ChangeImages final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;

    ChangeImages(const Description& d, const Updater<T>&)
        : change_(change_named(d.kind)), H_(whole_number(d, "height", 1)), W_(whole_number(d, "width", 1)),
          C_(d.channels), stream_(uint32_t(d.stream)) {
        out_H_ = change_ == Change::crop ? whole_number(d, "out_height", 1) : H_;
        out_W_ = change_ == Change::crop ? whole_number(d, "out_width", 1) : W_;
        numbers_of_image(d, H_, W_, C_);
        require(out_H_ <= H_ && out_W_ <= W_, d.kind + ": the sizes do not fit");
        if (change_ == Change::shift) amount_ = whole_number(d, "pixels", 0);
        if (change_ == Change::cutout) amount_ = whole_number(d, "size", 1);
        if (change_ == Change::flip) threshold_ = threshold_of(d.number("rate"));
    }
    bool fits() const override {
        return in[0]->cols == size_t(H_) * size_t(W_) * C_ && out->cols == size_t(out_H_) * size_t(out_W_) * C_;
    }

    void reserve(size_t panels) override { moves_.get(panels * NR<T>); }

    void forward(const Step& s, const Range& r, int, Workspace<T>&) override {
        for (size_t p = r.first; p < r.last; ++p) {
            std::memset(out->panel(p), 0, out->cols * NR<T> * sizeof(T));
            for (int lane = 0; lane < rows_in<T>(s, p); ++lane) {
                Move& m = moves_.get()[p * NR<T> + size_t(lane)];
                m = drawn(s, p * NR<T> + size_t(lane));
                each(m, [&](size_t from, size_t to) {
                    out->panel(p)[to * NR<T> + size_t(lane)] = in[0]->panel(p)[from * NR<T> + size_t(lane)];
                });
            }
        }
    }
    void backward(const Step& s, const Range& r, int, Workspace<T>&) override {
        if (!in[0]->needs_grad) return;
        for (size_t p = r.first; p < r.last; ++p) {
            if (this->overwrite[0]) std::memset(in[0]->grad_panel(p), 0, in[0]->cols * NR<T> * sizeof(T));
            for (int lane = 0; lane < rows_in<T>(s, p); ++lane)
                each(moves_.get()[p * NR<T> + size_t(lane)], [&](size_t from, size_t to) {
                    in[0]->grad_panel(p)[from * NR<T> + size_t(lane)] += out->grad_panel(p)[to * NR<T> + size_t(lane)];
                });
        }
    }
    // In prediction there is nothing random: an image stays as it is, or its middle is taken.
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        Move m;
        m.down = (H_ - out_H_) / 2;
        m.across = (W_ - out_W_) / 2;
        for (size_t r = 0; r < n; ++r)
            each(m, [&](size_t from, size_t to) { y.data[r * y.stride + to] = x[0].data[r * x[0].stride + from]; });
    }

  private:
    enum class Change { shift, flip, crop, cutout };
    static Change change_named(const std::string& kind) {
        if (kind == "random_shift") return Change::shift;
        if (kind == "random_flip") return Change::flip;
        return kind == "random_crop" ? Change::crop : Change::cutout;
    }

    // Position (i, j) of the output is position (i + down, j + across) of the input, unless it is cut out.
    struct Move {
        int down = 0, across = 0;
        bool flipped = false;
        int top = 0, bottom = 0, left = 0, right = 0;  // what is cut out
    };

    Move drawn(const Step& s, size_t row) const {
        const size_t count = change_ == Change::flip ? 1 : 2;
        uint32_t words[2]{};
        philox_words(s.seed, stream_, uint64_t(s.number), (s.first_panel * NR<T> + row) * count, count, words);
        auto below = [&](int i, int limit) { return int((uint64_t(words[i]) * uint64_t(limit)) >> 32); };
        Move m;
        switch (change_) {
            case Change::shift:
                m.down = below(0, 2 * amount_ + 1) - amount_;
                m.across = below(1, 2 * amount_ + 1) - amount_;
                break;
            case Change::flip: m.flipped = words[0] < threshold_; break;
            case Change::crop:
                m.down = below(0, H_ - out_H_ + 1);
                m.across = below(1, W_ - out_W_ + 1);
                break;
            case Change::cutout:
                m.top = below(0, H_) - amount_ / 2;
                m.left = below(1, W_) - amount_ / 2;
                m.bottom = m.top + amount_;
                m.right = m.left + amount_;
                break;
        }
        return m;
    }
    template <class F> void each(const Move& m, F f) const {
        for (int i = 0; i < out_H_; ++i) {
            const int v = i + m.down;
            if (v < 0 || v >= H_) continue;
            for (int j = 0; j < out_W_; ++j) {
                const int h = m.flipped ? W_ - 1 - j : j + m.across;
                if (h < 0 || h >= W_ || (i >= m.top && i < m.bottom && j >= m.left && j < m.right)) continue;
                for (size_t c = 0; c < C_; ++c) f(size_t(v * W_ + h) * C_ + c, size_t(i * out_W_ + j) * C_ + c);
            }
        }
    }

    Change change_;
    int H_, W_, out_H_, out_W_;
    size_t C_;
    uint32_t stream_;
    int amount_ = 0;
    uint64_t threshold_ = 0;
    Buffer<Move> moves_;
};

}  // namespace pysmorch
