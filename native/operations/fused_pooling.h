// Max pooling as a part of the operation whose output it reads. What lies between the two, the image, is made some rows
// at a time and stays in the L2 cache: the pooled image is stored, and for each of its entries the tap that it came
// from, in a byte.
#pragma once
#include <memory>
#include <optional>

#include "operations/pooling.h"

namespace pysmorch {

template <class T> class FusedPooling {
  public:
    using V = Vec<T>;

    FusedPooling(const Pool<T, true>& pool, std::unique_ptr<Operation<T>> owned, bool after_relu)
        : pool_(std::move(owned)), after_relu_(after_relu), down_(size_t(pool.geometry().down.stride)),
          across_(size_t(pool.geometry().across.stride)), rows_(size_t(pool.geometry().down.out_size)),
          columns_(size_t(pool.geometry().across.out_size)), channels_(pool.geometry().channels * NR<T>),
          row_(columns_ * channels_) {}

    size_t down() const { return down_; }  // the size of a window
    size_t across() const { return across_; }
    size_t rows() const { return rows_; }  // of windows

    void reserve(size_t panels) { taps_.get(panels * rows_ * row_); }

    // Calls f with the size of a window, as constants where it is the usual one.
    template <class F> void with_size(F f) const {
        using Two = std::integral_constant<size_t, 2>;
        if (down_ == 2 && across_ == 2) f(Two{}, Two{});
        else f(down_, across_);
    }
    // Pools a vector of the window (row, column) of panel p into y; `get(a, b)` is that of a position of the window.
    template <class Down, class Across, class Get>
    inline __attribute__((always_inline)) void pool(Down down, Across across, size_t p, size_t row, size_t column,
                                                    size_t vector, T* y, Get get) {
        const size_t at = row * row_ + column * channels_ + vector;
        V largest = get(0, 0);
        Mask<T> tap{};
        for (size_t a = 0; a < down; ++a)
            for (size_t b = 0; b < across; ++b) {
                if (a + b == 0) continue;
                const V other = get(a, b);  // the first of the largest stays
                const auto is = other > largest;
                largest = is ? other : largest;
                tap = is ? Mask<T>{} + typename Tap::type(a * across + b) : tap;
            }
        if (after_relu_) tap = largest > V{} ? tap : Mask<T>{} + typename Tap::type(NONE);
        store(y + at, largest);
        const Bytes bytes = __builtin_convertvector(tap, Bytes);
        std::memcpy(taps_.get() + p * rows_ * row_ + at, &bytes, sizeof bytes);
    }
    // Pools row r of the windows of panel p from the rows of the image that they see; `finished(v, channel)` is an
    // entry of the image.
    template <class Finished> void pool_row(const T* image, size_t p, size_t r, T* y, Finished finished) {
        with_size([&](auto down, auto across) {
            const size_t step = channels_, row = columns_ * across * step;
            for (size_t j = 0; j < columns_; ++j)
                for (size_t i = 0; i < channels_; i += LANES<T>) {
                    const T* window = image + j * across * step + i;
                    pool(down, across, p, r, j, i, y, [=](size_t a, size_t b) __attribute__((always_inline)) {
                        return finished(load(window + a * row + b * step), i / NR<T>);
                    });
                }
        });
    }
    // Row r of the image's gradient, before the activation, of panel p from the gradient of the pooled image. Its sums
    // are those of the bias, if there is one.
    void expand_row(const T* gradient, size_t p, size_t r, T* to, T* bias_sums) const {
        const T* g = gradient + r / down_ * row_;
        const uint8_t* taps = taps_.get() + p * rows_ * row_ + r / down_ * row_;
        with_size([&](auto down, auto across) {
            const auto first = typename Tap::type(r % down * across);
            for (size_t j = 0; j < columns_; ++j)
                for (size_t i = 0; i < channels_; i += LANES<T>) {
                    const V v = load(g + j * channels_ + i);
                    Bytes bytes;
                    std::memcpy(&bytes, taps + j * channels_ + i, sizeof bytes);
                    const Mask<T> tap = __builtin_convertvector(bytes, Mask<T>) - first;
                    V sum{};
                    for (size_t b = 0; b < across; ++b) {
                        const V part = tap == Mask<T>{} + typename Tap::type(b) ? v : V{};
                        store(to + (j * across + b) * channels_ + i, part);
                        sum += part;
                    }
                    if (bias_sums) store(bias_sums + i, load(bias_sums + i) + sum);
                }
        });
    }
    // Rows of the image whose gradient is expanded at a time.
    size_t rows_at_a_time() const {
        return std::max<size_t>(1, GRADIENT_FITS / (columns_ * across_ * channels_ * sizeof(T)));
    }

    void predict(const std::vector<RowsOf<T>>& image, T* y, Workspace<T>& work) const {
        pool_->predict(image, {y, 0, nullptr}, 1, work);
    }

  private:
    static constexpr uint8_t NONE = 255;                // the ReLU lets no gradient through
    static constexpr size_t GRADIENT_FITS = 512 << 10;  // bytes: a part of the L2 cache
    typedef uint8_t Bytes __attribute__((vector_size(LANES<T>)));
    struct Tap {
        using type = std::remove_cvref_t<decltype(std::declval<Mask<T>>()[0])>;
    };

    std::unique_ptr<Operation<T>> pool_;
    bool after_relu_;
    size_t down_, across_, rows_, columns_;
    size_t channels_, row_;  // entries of a position and of a row in a panel
    Buffer<uint8_t> taps_;
};

}  // namespace pysmorch
