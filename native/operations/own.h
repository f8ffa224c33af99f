// Layers of the user's: a function in Python computes them, on a whole batch at a time.
#pragma once
#include <cstring>

#include "core/operation.h"

namespace pysmorch {

template <class T> class Own final : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;

    Own(const Description& d, const Updater<T>&) : pass_(d.own) { require(bool(pass_), "own needs a function"); }

    // The function says whether what it is given has the sizes of its layer.
    bool fits() const override { return true; }
    void reserve(size_t panels) override {
        from_.get(panels * NR<T> * std::max(in[0]->cols, out->cols));
        to_.get(panels * NR<T> * std::max(in[0]->cols, out->cols));
    }
    // One thread has the whole batch.
    bool forward_by_feature(const Step&, int) const override { return true; }
    bool backward_by_feature(const Step&, int) const override { return true; }

    void forward(const Step& s, const Range& r, int, Workspace<T>&) override {
        if (!is_whole(s, r)) return;
        rows_from_panels(s, in[0]->data, in[0]->cols);
        pass_(false, from_.get(), to_.get(), s.n, s.n * in[0]->cols * sizeof(T), s.n * out->cols * sizeof(T));
        panels_from_rows(s, out->cols, [&](size_t i, T x) { out->data[i] = x; });
    }
    void backward(const Step& s, const Range& r, int, Workspace<T>&) override {
        if (!in[0]->needs_grad || !is_whole(s, r)) return;
        rows_from_panels(s, out->grad, out->cols);
        pass_(true, from_.get(), to_.get(), s.n, s.n * out->cols * sizeof(T), s.n * in[0]->cols * sizeof(T));
        T* g = in[0]->grad;
        if (this->overwrite[0]) panels_from_rows(s, in[0]->cols, [&](size_t i, T x) { g[i] = x; });
        else panels_from_rows(s, in[0]->cols, [&](size_t i, T x) { g[i] += x; });
    }
    void predict(const std::vector<RowsOf<T>>&, const RowsOf<T>&, size_t, Workspace<T>&) const override {
        fail("layers of the user's do not predict here");
    }

  private:
    // Whether this is the work of one thread, after all others are done with what comes before: a thread alone may be
    // given the panels in several parts.
    static bool is_whole(const Step& s, const Range& r) { return r.last == s.panels && r.part.index == 0; }

    void rows_from_panels(const Step& s, const T* panels, size_t cols) {
        T* rows = from_.get();
        for (size_t p = 0; p < s.panels; ++p)
            for (int l = 0; l < rows_in<T>(s, p); ++l) {
                const T* lane = panels + p * cols * NR<T> + l;
                T* row = rows + (p * NR<T> + size_t(l)) * cols;
                for (size_t k = 0; k < cols; ++k) row[k] = lane[k * NR<T>];
            }
    }
    // Calls f(offset, number) for all entries of the panels; lanes without a row are 0.
    template <class F> void panels_from_rows(const Step& s, size_t cols, F f) {
        const T* rows = to_.get();
        for (size_t p = 0; p < s.panels; ++p) {
            const int lanes = rows_in<T>(s, p);
            for (size_t k = 0; k < cols; ++k)
                for (int l = 0; l < int(NR<T>); ++l)
                    f((p * cols + k) * NR<T> + size_t(l), l < lanes ? rows[(p * NR<T> + size_t(l)) * cols + k] : T(0));
        }
    }

    OwnPass pass_;
    Buffer<T> from_, to_;  // rows of the batch
};

}  // namespace pysmorch
