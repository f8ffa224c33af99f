// A dense block and a convolution with weights and inputs of 8 bits, in programs that only predict.
//
// Inputs become integers, whose products with the weights have exact sums, and a factor for each output makes numbers
// of them again. A convolution copies what each position sees into a row, so that both are the same product.
#pragma once
#include <bit>
#include <optional>

#include "kernels/activations.h"
#include "kernels/integers.h"
#include "operations/geometry.h"
#ifdef PYSMORCH_BF16
#include "kernels/amx.h"
#endif

namespace pysmorch {

template <class T, class G> class Quantized : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;

    static Signature signature() {
        return {.parameters = {"weights", "scales", "in_scales"},
                .attributes = {"signed"},
                .fuses = {"bias", "activation"}};
    }

    // `depth` products in a sum, of the channels of `taps` positions.
    [[gnu::cold]] Quantized(const Description& d, const Updater<T>& parameters, size_t channels, size_t taps)
        : depth_(taps * channels), K_(d.channels), signed_(d.number("signed") != 0),
          b_(d.parameter("bias").template as<T>()), activation_(activation_named(d.activation)) {
        require(parameters.parameters == nullptr, d.kind + " only predicts");
        require(double(taps) * double(channels) <= double(LARGEST_DEPTH), d.kind + ": its sums have too many products");
        const Parameter& weights = d.parameter("weights");
        require(double(weights.size) == double(depth_) * double(K_), d.kind + ": the weights have another size");
        require(d.parameter("in_scales").size == channels, d.kind + " needs a scale for each channel of its input");
        require(!b_ || d.parameter("bias").size == K_, "the bias has another length than the output");
        const T *scales = d.row("scales").template as<T>(), *in_scales = d.parameter("in_scales").template as<T>();
        factors_.assign(scales, scales + K_);
        // Some channels one after the other, so that many numbers are taken at a time where there are few channels.
        for (size_t i = 0; i < channels * ((64 + channels - 1) / channels); ++i)
            inverses_.push_back(float(1 / double(in_scales[i % channels])));
        choose_groups();
        pack(weights.template as<int8_t>());
    }

    bool gradient_reads_values() const override { return false; }
    // Nobody trains it.
    void forward(const Step&, const Range&, int, Workspace<T>&) override {}
    void backward(const Step&, const Range&, int, Workspace<T>&) override {}

  protected:
    using Input = typename G::Input;
    static constexpr size_t L = LANES<int32_t>, P = NR<int32_t>, TILE = 16;
    static constexpr size_t LARGEST_DEPTH = 1 << 16;  // 255 * 127 of these fit into 31 bits

    size_t row() const { return groups_ * G::SIZE; }                   // inputs of a row
    size_t width() const { return round_up(K_, P); }                   // sums of a row
    static size_t rows_of(size_t n) { return round_up(n, 2 * TILE); }  // that the matrix unit looks at
    Input zero() const { return Input(signed_ ? G::SHIFT : 0); }

    // Room for inputs and sums of n rows, and for `more` inputs.
    struct Room {
        Input *rows, *more;
        int32_t* sums;
    };
    Room room(size_t n, size_t more, Workspace<T>& work) const {
        const size_t sums = rows_of(n) * width() * sizeof(int32_t),
                     rows = round_up(rows_of(n) * row() * sizeof(Input), 64);
        char* begin = reinterpret_cast<char*>(work.more.get((sums + rows + more * sizeof(Input)) / sizeof(T) + 1));
        return {reinterpret_cast<Input*>(begin + sums), reinterpret_cast<Input*>(begin + sums + rows),
                reinterpret_cast<int32_t*>(begin)};
    }

    // n numbers, from the first channel on, become integers.
    void convert(const T* __restrict x, size_t n, Input* __restrict to) const {
        const float low = signed_ ? -127 : 0, high = signed_ ? 127 : 255;
        // The sum is a float whose last bits are the integer, rounded to the nearest one, or to the even of two.
        constexpr float ROUNDING = 12582912;
        const int32_t origin = std::bit_cast<int32_t>(ROUNDING) - int32_t(zero());
        // Nothing of these is what bytes are written to, which the compiler cannot know of members.
        const float* __restrict inverses = inverses_.data();
        const size_t at_a_time = inverses_.size();
        for (size_t i = 0; i < n; i += at_a_time) {
            const size_t count = std::min(at_a_time, n - i);
            for (size_t j = 0; j < count; ++j) {
                float v = float(x[i + j]) * inverses[j];
                v = v > low ? v : low;
                v = v < high ? v : high;
                to[i + j] = Input(std::bit_cast<int32_t>(v + ROUNDING) - origin);
            }
        }
    }

    // n rows of the output.
    void multiply(const Room& room, size_t n, T* y, size_t stride) const {
        const G *rows = reinterpret_cast<const G*>(room.rows), *weights = reinterpret_cast<const G*>(weights_.get());
        for (size_t k = 0; k < K_; k += P, weights += groups_ * P) {
            if (unit_) multiply_on_unit(rows, n, weights, K_ - k > L, room.sums + k);
            else
                for (size_t t = 0; t < num_tiles(n); ++t) {
                    const size_t r = tile_start(n, t);
                    tile_of<int32_t, Form::rows, G>(int(tile_start(n, t + 1) - r), K_ - k > L)(
                        rows + r * groups_, groups_, weights, P, single_loop(groups_), room.sums + r * width() + k,
                        width(), false);
                }
        }
        for (size_t r = 0; r < n; ++r) finish(room.sums + r * width(), y + r * stride);
    }

    const size_t depth_, K_;
    const bool signed_;
#ifdef PYSMORCH_BF16
    // Tiles of sums are whole; those of inputs and weights are as deep as a step.
    amx::Shapes shapes() const {
        amx::Shapes all = amx::WHOLE;
        if (unit_) all[4].columns = all[5].columns = all[6].rows = all[7].rows = uint8_t(groups_ / steps_);
        return all;
    }
    // The matrix unit has to be set up where there is one.
    struct Session {
        std::optional<amx::Session> unit;
        explicit Session(const Quantized& q) {
            if (q.unit_) unit.emplace(q.shapes());
        }
    };
#else
    struct Session {
        explicit Session(const Quantized&) {}
    };
#endif

  private:
    void choose_groups() {
        groups_ = (depth_ + G::SIZE - 1) / G::SIZE;
#ifdef PYSMORCH_BF16
        unit_ = std::is_same_v<G, Bytes> && AmxTiles::usable();
        // There are zeros after the last weight then, until all steps are equally deep.
        for (; unit_; ++groups_) {
            steps_ = (groups_ + TILE - 1) / TILE;
            if (groups_ % steps_ == 0) break;
        }
#endif
    }

    // Weights as [32 outputs][group][output][weight of the group].
    void pack(const int8_t* weights) {
        auto* to = weights_.get(width() * groups_ * G::SIZE);
        shifts_.assign(K_, 0);
        for (size_t i = 0; i < depth_; ++i)
            for (size_t k = 0; k < K_; ++k) {
                const int8_t w = weights[i * K_ + k];
                to[((k / P * groups_ + i / G::SIZE) * P + k % P) * G::SIZE + i % G::SIZE] = w;
                shifts_[k] += int32_t(zero()) * w;
            }
    }

    void multiply_on_unit([[maybe_unused]] const G* rows, [[maybe_unused]] size_t n, [[maybe_unused]] const G* weights,
                          [[maybe_unused]] bool two, [[maybe_unused]] int32_t* sums) const {
#ifdef PYSMORCH_BF16
        if constexpr (std::is_same_v<G, Bytes>) {
            const size_t deep = groups_ / steps_;
            for (size_t r = 0; r < n; r += 2 * TILE) {
                const bool lower = n - r > TILE;
                const G *a = rows + r * groups_, *b = weights;
                amx::zero_sums();
                for (size_t s = 0; s < steps_; ++s, a += deep, b += deep * P)
                    amx::add_products(a, a + TILE * groups_, groups_, b, P, lower, two);
                amx::store_sums(sums + r * width(), width(), lower, two);
            }
        }
#endif
    }

    void finish(const int32_t* __restrict sums, T* __restrict y) const {
        const int32_t* __restrict shifts = shifts_.data();
        const T* __restrict factors = factors_.data();
        for (size_t k = 0; k < K_; ++k) y[k] = T(sums[k] - shifts[k]) * factors[k];
        if (b_) each_lane(y, y, b_, K_, [](auto a, auto b) { return a + b; });
        if (activation_ != Activation::none) activate<T>(activation_, T(0), y, y, K_);
    }

    const T* b_;
    Activation activation_;
    bool unit_ = false;              // whether there is a matrix unit
    size_t groups_ = 0, steps_ = 1;  // of a row, and tiles that these make
    std::vector<float> inverses_;
    std::vector<T> factors_;
    std::vector<int32_t> shifts_;  // what the shift of the inputs adds to the sums
    Buffer<typename G::Weight> weights_;
};

template <class T, class G> class QuantizedDense final : public Quantized<T, G> {
  public:
    using Quantized<T, G>::in;
    using Quantized<T, G>::out;
    using Quantized<T, G>::K_;
    QuantizedDense(const Description& d, const Updater<T>& parameters)
        : Quantized<T, G>(d, parameters, d.matrix("weights").shape[0], 1), D_(d.matrix("weights").shape[0]) {}

    bool fits() const override { return in[0]->cols == D_ && out->cols == K_; }
    double work() const override { return double(D_) * double(K_) / 4; }

    void predict(const std::vector<RowsOf<T>>& inputs, const RowsOf<T>& y, size_t n,
                 Workspace<T>& work) const override {
        [[maybe_unused]] const typename Quantized<T, G>::Session session(*this);
        const auto room = this->room(n, 0, work);
        for (size_t r = 0; r < n; ++r)
            this->convert(inputs[0].data + r * inputs[0].stride, D_, room.rows + r * this->row());
        this->multiply(room, n, y.data, y.stride);
    }

  private:
    size_t D_;
};

template <class T, class G> class QuantizedConvolution final : public Quantized<T, G> {
  public:
    using Quantized<T, G>::in;
    using Quantized<T, G>::out;
    using Quantized<T, G>::K_;
    QuantizedConvolution(const Description& d, const Updater<T>& parameters)
        : QuantizedConvolution(d, parameters, Geometry::of_windows(d)) {}

    bool fits() const override { return in[0]->cols == g_.cols() && out->cols == g_.out_cols(); }
    double work() const override { return double(g_.out_positions()) * double(this->depth_) * double(K_) / 4; }

    void predict(const std::vector<RowsOf<T>>& inputs, const RowsOf<T>& y, size_t n,
                 Workspace<T>& work) const override {
        [[maybe_unused]] const typename Quantized<T, G>::Session session(*this);
        const size_t positions = g_.out_positions(), width = covered(g_.across) * g_.channels;
        const auto room = this->room(std::min(POSITIONS, positions), covered(g_.down) * width, work);
        for (size_t r = 0; r < n; ++r) {
            load_image(inputs[0].data + r * inputs[0].stride, room.more, width);
            for (size_t first = 0; first < positions; first += POSITIONS) {
                const size_t count = std::min(POSITIONS, positions - first);
                for (size_t i = 0; i < count; ++i)
                    take_window(room.more, width, first + i, room.rows + i * this->row());
                this->multiply(room, count, y.data + r * y.stride + first * K_, K_);
            }
        }
    }

  private:
    using Input = typename G::Input;
    static constexpr size_t POSITIONS = 64;  // that are multiplied at a time

    QuantizedConvolution(const Description& d, const Updater<T>& parameters, const Geometry& g)
        : Quantized<T, G>(d, parameters, g.channels, size_t(g.down.kernel) * size_t(g.across.kernel)), g_(g) {
        require(g.out_channels == K_ && d.number("groups") == 1, d.kind + ": the channels do not fit");
    }

    // Positions of the image with its margins, as far as windows reach.
    static size_t covered(const Axis& a) {
        return size_t(a.out_size - 1) * size_t(a.stride) + size_t(a.kernel - 1) * size_t(a.dilation) + 1;
    }

    // The image as integers, with zeros around it.
    void load_image(const T* x, Input* to, size_t width) const {
        const size_t C = g_.channels, height = covered(g_.down), left = std::min(size_t(g_.across.pad) * C, width),
                     columns = std::min(size_t(g_.across.size) * C, width - left);
        for (size_t i = 0; i < height; ++i, to += width) {
            const ptrdiff_t from = ptrdiff_t(i) - g_.down.pad;
            if (from < 0 || from >= g_.down.size) {
                std::fill(to, to + width, this->zero());
                continue;
            }
            std::fill(to, to + left, this->zero());
            this->convert(x + size_t(from) * size_t(g_.across.size) * C, columns, to + left);
            std::fill(to + left + columns, to + width, this->zero());
        }
    }

    // What position `at` of the output sees.
    void take_window(const Input* image, size_t width, size_t at, Input* to) const {
        const size_t C = g_.channels, across = size_t(g_.across.out_size), taps = size_t(g_.across.kernel),
                     stretch = g_.across.dilation == 1 ? taps * C : C;
        const Input* from =
            image + at / across * size_t(g_.down.stride) * width + at % across * size_t(g_.across.stride) * C;
        for (int dy = 0; dy < g_.down.kernel; ++dy, from += size_t(g_.down.dilation) * width)
            for (size_t i = 0; i < taps * C; i += stretch, to += stretch)
                std::memcpy(to, from + i * size_t(g_.across.dilation), stretch * sizeof(Input));
    }

    Geometry g_;
};

}  // namespace pysmorch
