// Pooling: the largest or the mean of each window of a channel.
#pragma once
#include "kernels/activations.h"
#include "operations/geometry.h"

namespace pysmorch {

template <class T, bool LARGEST> class Pool final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;
    using V = Vec<T>;

    Pool(const Description& d, const Updater<T>&)
        : bf16_(d.bf16), g_(Geometry::of_windows(d)), C_(g_.channels), width_(size_t(g_.across.size)),
          down_(g_.down.all_into()), across_(g_.across.all_into()) {
        require(g_.out_channels == C_, d.kind + ": the channels do not fit");
        for (const auto* taps : {&down_, &across_})
            for (const Taps& t : *taps) require(t.count > 0, d.kind + ": a window lies outside the image");
        // Where windows neither overlap nor leave gaps, each position of the image belongs to one window.
        tiled_ = true;
        for (const Axis& a : {g_.down, g_.across})
            tiled_ &= a.stride == a.kernel && a.dilation == 1 && a.pad == 0 && a.size == a.out_size * a.stride;
    }
    bool fits() const override { return in[0]->cols == g_.cols() && out->cols == g_.out_cols(); }

    const Geometry& geometry() const { return g_; }
    // Whether a byte names a tap of a window, to which alone it belongs. Operations with products of bfloat16 include
    // no pooling.
    bool is_fusable() const { return tiled_ && !bf16_ && g_.down.kernel * g_.across.kernel < 256; }

    typename Operation<T>::Bf16Values takes_bf16() const override {
        return bf16_ ? Operation<T>::Bf16Values::each : Operation<T>::Bf16Values::never;
    }

    void forward(const Step&, const Range& r, int, Workspace<T>&) override {
        with_storage(*in[0], [&](const auto* from, auto*) {
            with_storage(*out, [&](auto* to, auto*) { forward_panels(r, from, to); });
        });
    }
    void backward(const Step&, const Range& r, int, Workspace<T>&) override {
        if (!in[0]->needs_grad) return;
        with_storage(*in[0], [&](const auto* x, auto* to) {
            with_storage(*out, [&](const auto* y, const auto* g) { backward_panels(r, x, to, y, g); });
        });
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        for (size_t r = 0; r < n; ++r) {
            const T* from = x[0].data + r * x[0].stride;
            T* to = y.data + r * y.stride;
            each_window(0, 1, [&](size_t, size_t position, const Taps& v, const Taps& h) {
                T* here = to + position * C_;
                each_tap(v, h, [&](size_t k, bool start) {
                    if (start) std::memcpy(here, from + k, C_ * sizeof(T));
                    else each_lane(here, from + k, here, C_, [](V a, V b) { return LARGEST ? vmax<T>(a, b) : a + b; });
                });
                const T count = T(v.count * h.count);
                if (!LARGEST) each_lane(here, here, C_, [&](V a) { return V(a / count); });
            });
        }
    }

  private:
    template <class E, class F> void forward_panels(const Range& r, const E* from, F* to) const {
        each_window(r.first, r.last, [&](size_t p, size_t position, const Taps& v, const Taps& h) {
            const E* x = from + p * g_.cols() * NR<T>;
            F* y = to + (p * g_.out_cols() + position * C_) * NR<T>;
            for (size_t i = 0; i < C_ * NR<T>; i += LANES<T>) {
                V value = load(x + at(v, h, 0, 0) * NR<T> + i);
                each_tap(v, h, [&](size_t tap, bool start) {
                    if (start) return;
                    const V other = load(x + tap * NR<T> + i);
                    value = LARGEST ? vmax<T>(other, value) : value + other;
                });
                store(y + i, LARGEST ? value : value / T(v.count * h.count));
            }
        });
    }
    template <class E, class F>
    void backward_panels(const Range& r, const E* x, E* to, const F* y, const F* gradient) const {
        const size_t image = g_.cols() * NR<T>;
        const bool set = this->overwrite[0] && tiled_;
        if (this->overwrite[0] && !tiled_)
            std::memset(static_cast<void*>(to + r.first * image), 0, (r.last - r.first) * image * sizeof(E));
        each_window(r.first, r.last, [&](size_t p, size_t position, const Taps& v, const Taps& h) {
            for (size_t i = 0; i < C_ * NR<T>; i += LANES<T>) {
                const size_t here = (p * g_.out_cols() + position * C_) * NR<T> + i;
                const V largest = load(y + here);
                V g = load(gradient + here);
                if (!LARGEST) g /= T(v.count * h.count);
                each_tap(v, h, [&](size_t tap, bool) {
                    const size_t k = p * image + tap * NR<T> + i;
                    V part = g;
                    if (LARGEST) {  // the first of the largest has all, and nothing is left
                        const auto is = as_stored(y, load(x + k)) == largest;
                        part = is ? g : V{};
                        g = is ? V{} : g;
                    }
                    store(to + k, set ? part : load(to + k) + part);
                });
            }
        });
    }
    size_t at(const Taps& v, const Taps& h, int a, int b) const {
        return (size_t(v.position + a * v.move) * width_ + size_t(h.position + b * h.move)) * C_;
    }
    template <class F> void each_window(size_t first, size_t last, F f) const {
        for (size_t p = first; p < last; ++p)
            for (size_t i = 0; i < down_.size(); ++i)
                for (size_t j = 0; j < across_.size(); ++j) f(p, i * across_.size() + j, down_[i], across_[j]);
    }
    // In the order of the rows of the image.
    template <class F> void each_tap(const Taps& v, const Taps& h, F f) const {
        for (int a = 0; a < v.count; ++a)
            for (int b = 0; b < h.count; ++b) f(at(v, h, a, b), a == 0 && b == 0);
    }

    bool bf16_;
    Geometry g_;
    size_t C_, width_;
    std::vector<Taps> down_, across_;
    bool tiled_;
};

// The mean of each channel over all positions.
template <class T> class GlobalAverage final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;
    using V = Vec<T>;

    GlobalAverage(const Description& d, const Updater<T>&)
        : bf16_(d.bf16), C_(d.channels),
          positions_(numbers_of_image(d, whole_number(d, "height", 1), whole_number(d, "width", 1), C_) / C_) {}
    bool fits() const override { return in[0]->cols == positions_ * C_ && out->cols == C_; }

    typename Operation<T>::Bf16Values takes_bf16() const override {
        return bf16_ ? Operation<T>::Bf16Values::each : Operation<T>::Bf16Values::never;
    }

    void forward(const Step&, const Range& r, int, Workspace<T>&) override {
        with_storage(*in[0], [&](const auto* x, auto*) {
            with_storage(*out, [&](auto* y, auto*) {
                for (size_t p = r.first; p < r.last; ++p)
                    for (size_t i = 0; i < C_ * NR<T>; i += LANES<T>) {
                        DoubleSum<T> sum;
                        for (size_t k = 0; k < positions_; ++k)
                            sum.add(load(x + (p * positions_ + k) * C_ * NR<T> + i));
                        store(y + p * C_ * NR<T> + i, sum.mean(double(positions_)));
                    }
            });
        });
    }
    void backward(const Step&, const Range& r, int, Workspace<T>&) override {
        const size_t row = C_ * NR<T>, image = positions_ * row;
        with_storage(*in[0], [&](const auto*, auto* to) {
            with_storage(*out, [&](const auto*, const auto* g) {
                for (size_t p = r.first; p < r.last; ++p)
                    this->write_gradient(0, to, p * image, (p + 1) * image, [&](size_t i) {
                        return V(load(g + p * row + (i - p * image) % row) / T(positions_));
                    });
            });
        });
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        for (size_t r = 0; r < n; ++r)
            for (size_t c = 0; c < C_; ++c) {
                double sum = 0;
                for (size_t k = 0; k < positions_; ++k) sum += double(x[0].data[r * x[0].stride + k * C_ + c]);
                y.data[r * y.stride + c] = T(sum / double(positions_));
            }
    }

  private:
    bool bf16_;
    size_t C_, positions_;
};

}  // namespace pysmorch
