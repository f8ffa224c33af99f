// Activations as operations of their own.
#pragma once
#include "core/operation.h"
#include "kernels/activations.h"

namespace pysmorch {

template <class T> class Activate final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;

    Activate(const Description& d, const Updater<T>&)
        : activation_(activation_named(d.kind)),
          constant_(activation_ == Activation::leaky_relu    ? T(d.number("slope"))
                    : activation_ == Activation::smooth_clip ? T(d.number("limit"))
                                                             : T(0)) {}

    bool gradient_in_position() const override { return true; }
    void forward(const Step&, const Range& r, int, Workspace<T>&) override {
        const auto [from, to] = this->span(r);
        activate<T>(activation_, constant_, in[0]->data + from, out->data + from, to - from);
    }
    void backward(const Step&, const Range& r, int, Workspace<T>& work) override {
        if (!in[0]->needs_grad) return;
        const auto [from, to] = this->span(r);
        constexpr size_t PIECE = 1024;
        for (size_t i = from; i < to; i += PIECE) {
            const size_t end = std::min(to, i + PIECE);
            T* g = this->overwrite[0] ? in[0]->grad + i : work.c;
            activate_back<T>(activation_, constant_, in[0]->data + i, out->data + i, out->grad + i, g, end - i);
            if (!this->overwrite[0]) this->write_gradient(0, i, end, [&](size_t j) { return load(work.c + (j - i)); });
        }
    }
    void predict(const std::vector<RowsOf<T>>& x, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        for (size_t r = 0; r < n; ++r)
            activate<T>(activation_, constant_, x[0].data + r * x[0].stride, y.data + r * y.stride, out->cols);
    }

  private:
    Activation activation_;
    T constant_;
};

}  // namespace pysmorch
