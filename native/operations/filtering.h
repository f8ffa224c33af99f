// What a convolution and its adjoint have in common, with the bias and the activation that follow.
#pragma once
#include "kernels/activations.h"
#include "operations/filters.h"

namespace pysmorch {

// Parameters, shards of the batch, rows of images, and the gradient of the weights.
template <class T> class Filtering : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;

    static Signature signature() { return {.parameters = {"weights"}, .fuses = {"bias", "activation"}}; }
    Filtering(const Description& d, const Updater<T>& parameters)
        : g_(Geometry::of_windows(d)), groups_(size_t(whole_number(d, "groups", 1))), C_(g_.channels / groups_),
          K_(g_.out_channels / groups_), W_(d.parameter("weights").as<T>()), b_(d.parameter("bias").as<T>()),
          offset_(parameters.offset_of(W_)), bias_offset_(parameters.offset_of(b_)),
          bias_size_(d.parameter("bias").size), activation_(activation_named(d.activation)) {
        require(g_.channels % groups_ == 0 && g_.out_channels % groups_ == 0,
                d.kind + ": the groups do not divide the channels");
        require(W_ && double(d.parameter("weights").size) == double(taps()) * double(C_) * double(g_.out_channels),
                d.kind + ": the weights have another size than the filters");
        down_into_ = g_.down.all_into();
        across_into_ = g_.across.all_into();
        down_from_ = g_.down.all_from();
        across_from_ = g_.across.all_from();
    }

    bool gradient_reads_values() const override { return false; }
    double work() const override {
        return double(g_.out_positions()) * double(taps()) * double(C_) * double(g_.out_channels);
    }

    // A shard is some rows of the images of one panel. Their number depends on the batch, and not on the threads.
    size_t shards_of_panel(size_t panels) const {
        return std::min(size_t(rows_to_cut()), (SHARDS + panels - 1) / panels);
    }
    bool forward_by_feature(const Step& s, int) const override { return s.panels % size_t(s.threads) != 0; }
    bool backward_by_feature(const Step& s, int) const override { return s.panels % size_t(s.threads) != 0; }

    void reserve(size_t panels) override { reserve_shards(panels); }

    void add_tasks(const Step& s, std::vector<Task>& tasks) const override {
        const size_t rows = taps() * C_, at_a_time = std::max<size_t>(1, Workspace<T>::SIZE / 8 / stride());
        for (size_t r = 0; r < rows; r += at_a_time)
            tasks.push_back({0, 0, r, std::min(rows, r + at_a_time),
                             double(at_a_time * stride() * s.panels * shards_of_panel(s.total_panels))});
        add_bias_task(s, tasks);
    }
    size_t num_sums() const override { return taps() * C_ * g_.out_channels; }
    size_t num_wide_sums() const override { return b_ ? bias_size_ : 0; }
    // The sums of the shards, in their order.
    void gradient(const Step& s, const Task& task, const Updater<T>& updater, Workspace<T>& work) override {
        if (task.which < 0) {
            bias_gradient(s, updater, work);
            return;
        }
        const size_t from = task.first * stride(), count = (task.last - task.first) * stride();
        const size_t shards = s.panels * shards_of_panel(s.total_panels), rows = task.last - task.first;
        const size_t K = g_.out_channels, sums_of_task = this->sums_offset + task.first * K;
        const T* sums = sums_.get();
        T* g = work.more.get(count);
        const size_t start = updater.resumes ? 0 : 1;
        if (updater.resumes) updater.load_sums(sums_of_task, K, rows, K, g, stride());
        for (size_t i = 0; i < count; i += LANES<T>) {
            Vec<T> total = load(updater.resumes ? g + i : sums + from + i);
            for (size_t shard = start; shard < shards; ++shard) total += load(sums + shard * shard_size() + from + i);
            store(g + i, total);
        }
        if (updater.holds) updater.store_sums(sums_of_task, K, rows, K, g, stride());
        else updater.take(offset_ + task.first * K, K, rows, K, g, stride());
    }

  protected:
    static constexpr size_t SHARDS = 4;  // at least, for the batch

    size_t taps() const { return size_t(g_.down.kernel) * size_t(g_.across.kernel); }
    size_t stride() const { return round_up(g_.out_channels, LANES<T>); }
    virtual size_t weight_sums_size() const { return taps() * C_ * stride(); }
    size_t shard_size() const { return weight_sums_size() + bias_size_ * NR<T>; }
    T* weight_sums(size_t shard) const { return sums_.get() + shard * shard_size(); }
    T* bias_sums(size_t shard) const { return weight_sums(shard) + weight_sums_size(); }
    virtual int rows_to_cut() const { return g_.down.out_size; }
    void reserve_shards(size_t panels) {
        size_t most = 0;
        for (size_t p = 1; p <= panels; ++p) most = std::max(most, p * shards_of_panel(p));
        sums_.get(most * shard_size());
    }
    // Calls f(panel, shard, first, last) for the shards of a range; an image has `rows` rows, of positions or of tiles.
    template <class F> void each_shard(const Step& s, const Range& range, size_t rows, F f) const {
        const size_t count = shards_of_panel(s.total_panels);
        each_part(range, count, [&](size_t p, size_t from, size_t to) {
            for (size_t i = from; i < to; ++i) f(p, p * count + i, rows * i / count, rows * (i + 1) / count);
        });
    }
    // Calls f(start, end, from, to) for as many rows of the output as see no more than `at_a_time` rows of the input,
    // and at least one: rows start .. end see rows from .. to.
    template <class F>
    static void each_group_of_rows(const std::vector<Taps>& down, size_t first, size_t last, size_t at_a_time, F f) {
        for (size_t start = first; start < last;) {
            size_t end = start, from = SIZE_MAX, to = 0;
            for (; end < last; ++end) {
                const auto [a, b] = down[end].range();
                const size_t low = std::min(from, a), high = std::max(to, b);
                if (end > start && high > low && high - low > at_a_time) break;
                from = low;
                to = high;
            }
            if (to < from) from = to = 0;
            f(start, end, from, to);
            start = end;
        }
    }
    void clear(size_t shard) const { std::memset(weight_sums(shard), 0, shard_size() * sizeof(T)); }
    void add_bias_task(const Step& s, std::vector<Task>& tasks) const {
        if (b_) tasks.push_back({0, -1, 0, 0, double(bias_size_) * double(s.panels)});
    }
    void bias_gradient(const Step& s, const Updater<T>& updater, Workspace<T>& work) const {
        const size_t count = shards_of_panel(s.total_panels);
        double* const sums = updater.wide_sums_at(this->wide_offset);
        for (size_t k = 0; k < bias_size_; ++k) {
            double total = updater.resumes ? sums[k] : 0;
            for (size_t shard = 0; shard < s.panels * count; ++shard)
                for (int l = 0; l < rows_in<T>(s, shard / count); ++l)
                    total += double(bias_sums(shard)[k * NR<T> + size_t(l)]);
            if (updater.holds) {
                sums[k] = total;
                continue;
            }
            work.c[k % NR<T>] = T(total);
            const size_t done = k % NR<T> + 1;
            if (done == NR<T> || k + 1 == bias_size_)
                updater.take(bias_offset_ + k + 1 - done, bias_size_, 1, done, work.c, NR<T>);
        }
    }
    static bool two(const Step& s, size_t p) { return s.n - p * NR<T> > size_t(LANES<T>); }

    bool is_simple() const { return pysmorch::is_simple(activation_); }
    // A number of channel k with its bias, and after an activation that is simple.
    Vec<T> finished(Vec<T> v, size_t k) const {
        if (b_) v += b_[k];
        return activation_ == Activation::relu ? vmax<T>(Vec<T>{}, v) : v;
    }
    // Bias and activation for a row of the images of a panel.
    void finish(T* y, size_t width, size_t channels) const {
        if (b_ || activation_ == Activation::relu)
            for (size_t i = 0; i < width; ++i)
                for (size_t k = 0; k < channels; ++k)
                    for (int half = 0; half < NR<T>; half += LANES<T>) {
                        T* to = y + (i * channels + k) * NR<T> + half;
                        store(to, finished(load(to), k));
                    }
        if (!is_simple()) activate<T>(activation_, T(0), y, y, width * channels * NR<T>);
    }
    // The gradient with respect to the activation's input replaces that of its output; its sums are those of the bias.
    template <class E> void finish_back(E* g, const E* y, size_t width, size_t channels, T* bias_sums) const {
        if constexpr (std::is_same_v<E, T>)
            if (!is_simple()) activate_back<T>(activation_, T(0), y, y, g, g, width * channels * NR<T>);
        const bool relu = activation_ == Activation::relu;
        if (!b_ && !relu) return;
        for (size_t i = 0; i < width * channels * NR<T>; i += channels * NR<T>)
            for (size_t j = 0; j < channels * NR<T>; j += LANES<T>) {
                Vec<T> v = load(g + i + j);
                if (relu) {
                    v = load(y + i + j) > Vec<T>{} ? v : Vec<T>{};
                    store(g + i + j, v);
                }
                if (b_) store(bias_sums + j, load(bias_sums + j) + v);
            }
    }

    // Entries of a row of the larger image x, and of the smaller one y, in a panel.
    size_t row_of_x() const { return size_t(g_.across.size) * g_.channels * NR<T>; }
    size_t row_of_y() const { return size_t(g_.across.out_size) * g_.out_channels * NR<T>; }

    // Row r of y = the convolution of x, or of x = its adjoint of y, whose first row is row `above` of the image.
    void convolution_row(const T* x, T* y, size_t r, bool two, bool add) const {
        const size_t K = g_.out_channels;
        convolve_row<T, T, Form::columns>({W_, K, C_ * K, K_}, size_t(g_.across.kernel), groups_, x,
                                          {size_t(g_.across.size), g_.channels, C_}, y,
                                          {size_t(g_.across.out_size), K, K_}, down_into_[r], across_into_, two, add);
    }
    void adjoint_row(const T* y, T* x, size_t r, bool two, bool add, size_t above = 0) const {
        const size_t K = g_.out_channels;
        Taps taps = down_from_[r];
        taps.position -= ptrdiff_t(above);
        convolve_row<T, T, Form::rows>({W_, K, C_ * K, K_}, size_t(g_.across.kernel), groups_, y,
                                       {size_t(g_.across.out_size), K, K_}, x,
                                       {size_t(g_.across.size), g_.channels, C_}, taps, across_from_, two, add);
    }

    // Adds the gradient of the weights from row r, `y`, of the smaller image (or of its gradient).
    void add_weight_sums(const T* x, const T* y, size_t r, size_t lanes, T* sums, Workspace<T>& work) const {
        const size_t K = g_.out_channels, width = size_t(g_.across.out_size);
        const size_t at_a_time =
            std::max<size_t>(1, std::min(width, Workspace<T>::SIZE / (round_up(K, LANES<T>) * NR<T>)));
        T* rows = work.more.get(at_a_time * round_up(K, LANES<T>) * NR<T> + NR<T>);
        for (size_t i = 0; i < width; i += at_a_time) {
            const size_t end = std::min(width, i + at_a_time);
            transpose_positions(y + i * K * NR<T>, end - i, lanes, rows);
            add_products<T, T>(g_, groups_, x, rows, r, i, end, lanes, sums, stride());
        }
    }

    // From channels of positions, side by side for the batch, to rows of the batch, side by side for channels.
    template <class E> void transpose_positions(const E* y, size_t positions, size_t lanes, T* rows) const {
        constexpr size_t L = LANES<T>, P = NR<T>;
        const size_t K = g_.out_channels;
        for (size_t block = 0; block < K; block += P) {
            const size_t width = block_width(K, block, L);
            for (size_t i = 0; i < positions; ++i)
                for (size_t k = block; k < block + width; k += L)
                    for (size_t half = 0; half < P && half < lanes; half += L) {
                        Vec<T> square[L];
                        for (size_t j = 0; j < L; ++j)
                            square[j] = k + j < K ? load(y + (i * K + k + j) * P + half) : Vec<T>{};
                        transpose<T>(square);
                        T* to = rows + block * positions * P + (i * P + half) * width + (k - block);
                        for (size_t j = 0; j < L; ++j) store(to + j * width, square[j]);
                    }
        }
    }

    // Prediction: the weights in blocks of channels, with zeros after the last one. Entry (tap, from, to) of the
    // weights of a group is read at `at(tap, from) + to * step`.
    template <class At> void pack(size_t from, size_t to, size_t step, Part part, At at) {
        const size_t width = round_up(to, NR<T>), depth = taps() * from;
        pack_.get(groups_ * depth * width);
        const auto [first, last] = part.of(groups_ * depth);
        for (size_t i = first; i < last; ++i) {
            const size_t g = i / depth, d = i % depth;
            const T* w = at(g, d / from, d % from);
            for (size_t k = 0; k < width; ++k)
                pack_.get()[g * depth * width + k / NR<T> * depth * NR<T> + d * NR<T> + k % NR<T>] =
                    k < to ? w[k * step] : T(0);
        }
    }
    size_t pack_size(size_t from, size_t to) const { return groups_ * taps() * from * round_up(to, NR<T>); }

    // Some positions of a row of an image, one `a_stride` from the other, from packed weights.
    void predict_positions(size_t count, const T* x, size_t a_stride, const ReductionLoops& loops, size_t depth,
                           size_t to, T* y, size_t y_stride, size_t group, const T* weights) const {
        alignas(64) T edge[size_t(MR) * NR<T>];
        const size_t tiles = num_tiles(count);
        for (size_t t = 0; t < tiles; ++t) {
            const size_t i = tile_start(count, t), rows = tile_start(count, t + 1) - i;
            for (size_t k = 0; k < to; k += NR<T>) {
                const size_t columns = std::min<size_t>(NR<T>, to - k);
                const bool two = columns > size_t(LANES<T>), whole = columns == size_t(two ? NR<T> : LANES<T>);
                T* target = y + i * y_stride + group * to + k;
                tile_of<T, Form::rows>(int(rows), two)(x + i * a_stride, a_stride, weights + k * depth, NR<T>, loops,
                                                       whole ? target : edge, whole ? y_stride : size_t(NR<T>), false);
                for (size_t r = 0; !whole && r < rows; ++r)
                    std::memcpy(target + r * y_stride, edge + r * NR<T>, columns * sizeof(T));
            }
        }
    }

    // Whether an image with its margin has no more numbers than any other image.
    static bool has_room(size_t rows, size_t row, size_t channels) {
        return double(rows) * double(row) * double(channels) < 2147483648.0;
    }
    // An image with a margin of zeros: position (i, j) of it is position (i - top, j - left) of x.
    static const T* with_margin(const T* x, size_t height, size_t width, size_t channels, size_t top, size_t left,
                                size_t new_height, size_t new_width, Buffer<T>& room) {
        if (top == 0 && left == 0 && new_height <= height && new_width == width) return x;
        T* padded = room.get(new_height * new_width * channels);
        std::memset(padded, 0, new_height * new_width * channels * sizeof(T));
        for (size_t i = 0; i < height && top + i < new_height; ++i)
            std::memcpy(padded + ((top + i) * new_width + left) * channels, x + i * width * channels,
                        std::min(width, new_width - left) * channels * sizeof(T));
        return padded;
    }

    void finish_row(T* y, size_t positions, size_t channels) const {
        for (size_t i = 0; b_ && i < positions; ++i)
            each_lane(y + i * channels, y + i * channels, b_, channels, [](auto a, auto b) { return a + b; });
        if (activation_ != Activation::none) activate<T>(activation_, T(0), y, y, positions * channels);
    }

    Geometry g_;
    size_t groups_, C_, K_;  // channels of a group
    const T *W_, *b_;
    size_t offset_, bias_offset_;  // among the parameters
    size_t bias_size_;
    Activation activation_;
    std::vector<Taps> down_into_, across_into_, down_from_, across_from_;
    Buffer<T> sums_;  // of each shard: the weights', the bias'
    Buffer<T> pack_;
};

extern template class Filtering<float>;
extern template class Filtering<double>;

}  // namespace pysmorch
