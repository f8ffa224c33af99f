// A dense block: activation(X W + b), for Linear and what may follow it.
#pragma once
#include "core/operation.h"
#include "kernels/activations.h"

namespace pysmorch {

template <class T> class Dense : public Operation<T> {
  public:
    using Operation<T>::in;
    using Operation<T>::out;

    static Signature signature() { return {.parameters = {"weights"}, .fuses = {"bias", "activation"}}; }
    Dense(const Description& d, const Updater<T>& parameters)
        : D_(d.matrix("weights").shape[0]), K_(d.matrix("weights").shape[1]), W_(d.parameter("weights").as<T>()),
          b_(d.parameter("bias").as<T>()), offset_(parameters.offset_of(W_)), bias_offset_(parameters.offset_of(b_)),
          activation_(activation_named(d.activation)) {
        require(!b_ || d.parameter("bias").size == K_, "the bias has another length than the output");
    }

    bool fits() const override { return in[0]->cols == D_ && out->cols == K_; }

    // The gradient for the output is stored once more, row by row, in blocks of NR features.
    void reserve(size_t panels) override { rows_.get(round_up(K_, NR<T>) * panels * NR<T>); }
    double work() const override { return double(D_) * double(K_); }

    // Large weights are shared out, so that each thread reads its part of them only; small ones go with the rows.
    bool forward_by_feature(const Step& s, int) const override {
        return s.panels % size_t(s.threads) != 0 || D_ * K_ * sizeof(T) > LARGE;
    }
    bool backward_by_feature(const Step& s, int phase) const override { return phase == 1 && forward_by_feature(s, 0); }

    bool in_pieces() const override { return true; }

    size_t num_sums() const override { return (D_ + (b_ ? 1 : 0)) * K_; }

    void forward(const Step& s, const Range& r, int, Workspace<T>& work) override {
        if (few(s)) {
            forward_few(s, r.part, work);
            return;
        }
        forward_product(s, r, D_, false);
    }

    int backward_phases() const override { return in[0]->needs_grad ? 2 : 1; }

    void backward(const Step& s, const Range& r, int phase, Workspace<T>&) override {
        if (phase == 1 && few(s)) {
            backward_few(s, r.part);
            return;
        }
        if (phase == 1) {
            backward_product(s, r, D_);
            return;
        }
        constexpr int L = LANES<T>;
        for (size_t p = r.first; p < r.last; ++p) {
            T* g = out->grad_panel(p);
            if (activation_ != Activation::none)
                activate_back<T>(activation_, T(0), out->panel(p), out->panel(p), g, g, K_ * NR<T>);
            for (size_t k = 0; k < K_; k += L)
                for (int half = 0; half < NR<T> && half < rows_in<T>(s, p); half += L) {
                    Vec<T> square[L];
                    for (int i = 0; i < L; ++i) square[i] = k + i < K_ ? load(g + (k + i) * NR<T> + half) : Vec<T>{};
                    transpose<T>(square);
                    T* to = block(s, k / NR<T>) + (p * NR<T> + half) * NR<T> + k % NR<T>;
                    for (int i = 0; i < L; ++i) store(to + i * NR<T>, square[i]);
                }
        }
    }

    void add_tasks(const Step& s, std::vector<Task>& tasks) const override {
        this->template add_tasks_of<Tiles<T, Form::panels>>(s, tasks);
    }

    void gradient(const Step& s, const Task& task, const Updater<T>& updater, Workspace<T>& work) override {
        if (task.which < 0) {
            bias_gradient(s, updater, work);
            return;
        }
        matrix_gradient(s, task, D_, updater, work);
    }

    void reserve_rows(size_t n) override {
        packed_ = n >= ROWS_TO_PACK;
        if (packed_) pack_.get(round_up(K_, NR<T>) * D_);
    }
    void prepare(Part part) override {
        if (!packed_) return;
        const auto [first, last] = part.of(D_);
        for (size_t k = 0; k < K_; k += NR<T>)
            for (size_t d = first; d < last; ++d) {
                const T* from = W_ + d * K_ + k;
                for (int j = 0; j < NR<T>; j += LANES<T>) {
                    const int columns = int(std::min<size_t>(LANES<T>, K_ - std::min(K_, k + j)));
                    store(pack_.get() + k * D_ + d * NR<T> + j,
                          columns == LANES<T> ? load(from + j) : load_part(from + j, columns));
                }
            }
    }

    void predict(const std::vector<RowsOf<T>>& inputs, const RowsOf<T>& y, size_t n, Workspace<T>&) const override {
        const RowsOf<T>& x = inputs[0];
        if (!packed_) {
            few_rows(x.data, x.stride, 1, n, 0, K_, y.data, y.stride);
            for (size_t r = 0; r < n; ++r) finish(y.data + r * y.stride);
            return;
        }
        const size_t tiles = num_tiles(n), blocks = (D_ + KC_PREDICT - 1) / KC_PREDICT;
        for (size_t part = 0; part < blocks; ++part) {
            const size_t d = D_ * part / blocks, depth = D_ * (part + 1) / blocks - d;
            for (size_t k = 0; k < K_; k += NR<T>)
                for (size_t t = 0; t < tiles; ++t) {
                    const size_t r = tile_start(n, t);
                    tile_of<T, Form::rows>(int(tile_start(n, t + 1) - r), K_ - k > size_t(LANES<T>))(
                        x.data + r * x.stride + d, x.stride, pack_.get() + k * D_ + d * NR<T>, NR<T>,
                        single_loop(depth), y.data + r * y.stride + k, y.stride, d > 0);
                }
        }
        for (size_t r = 0; r < n; ++r) finish(y.data + r * y.stride);
    }

  protected:
    // The product of the first `length` features, which is added to the output or is all of it, and what follows it;
    // and the gradient for these features.
    void forward_product(const Step& s, const Range& r, size_t length, bool add) const {
        panel_product<Tiles<T, Form::columns>>(
            W_, K_, K_, length, in[0]->data, out->data, r.first, r.last, s.n, add, r.part,
            [&](size_t f, size_t count, size_t p) { finish_panel(f, count, p); }, D_);
    }
    void backward_product(const Step& s, const Range& r, size_t length) const {
        panel_product<Tiles<T, Form::rows>>(
            W_, K_, length, K_, out->grad, in[0]->grad, r.first, r.last, s.n, !this->overwrite[0], r.part,
            [](size_t, size_t, size_t) {}, K_, D_);
    }

    // Bias and activation for features f .. f + count of a panel.
    void finish_panel(size_t f, size_t count, size_t p) const {
        T* y = out->panel(p) + f * NR<T>;
        const Vec<T> zero{};
        for (size_t i = 0; b_ && i < count; ++i)
            for (int j = 0; j < NR<T>; j += LANES<T>) {
                T* to = y + i * NR<T> + j;
                const Vec<T> v = load(to) + b_[f + i];
                store(to, activation_ == Activation::relu ? vmax<T>(zero, v) : v);
            }
        if (activation_ != Activation::none && (!b_ || activation_ != Activation::relu))
            activate<T>(activation_, T(0), y, y, count * NR<T>);
    }

    // A task is a strip: some tiles of rows of the weights, with all columns (a thread that has half of them would ask
    // for lines that another one is just changing), but few enough that the gradients stay in the L2 cache until the
    // optimizer takes them.
    size_t columns_of_task() const {
        const size_t strips = (K_ + 1023) / 1024;
        return round_up((K_ + strips - 1) / strips, NR<T>);
    }

    // Tasks for the first `length` rows of the weights.
    template <class Kernel> void add_tasks_of(const Step& s, std::vector<Task>& tasks, size_t length) const {
        const size_t tiles = Kernel::count(length), columns = columns_of_task();
        const size_t width = round_up(std::min(columns, K_), NR<T>), height = Kernel::start(length, 1);
        const size_t at_a_time =
            std::max<size_t>(1, std::min<size_t>(Workspace<T>::SIZE / (width * (height + 1)), (tiles + 127) / 128));
        for (size_t k = 0; k < K_; k += columns)
            for (size_t t = 0; t < tiles; t += at_a_time) {
                const size_t end = std::min(tiles, t + at_a_time),
                             rows = Kernel::start(length, end) - Kernel::start(length, t);
                const double vectors = double((std::min(columns, K_ - k) + LANES<T> - 1) / LANES<T>);
                tasks.push_back({0, int(k / columns), t, end, vectors * double(rows) * (double(s.n) + 30)});
            }
    }
    template <class Kernel> void add_tasks_of(const Step& s, std::vector<Task>& tasks) const {
        add_tasks_of<Kernel>(s, tasks, D_);
        add_bias_task(s, tasks);
    }
    void add_bias_task(const Step& s, std::vector<Task>& tasks) const {
        if (b_) tasks.push_back({0, -1, 0, 0, double(K_) / LANES<T> * double(s.n)});
    }

    // product(k, d, rows, c, stride, two, prefetch): the gradient of rows d .. d + rows and columns k .. k + NR goes to
    // c, or is added to the sums that are there. changed(d, end): rows d .. end of the weights in these columns.
    template <class Kernel, class Product, class Changed>
    void strip(const Task& task, const Updater<T>& updater, Workspace<T>& work, Product product,
               Changed changed) const {
        strip<Kernel>(task, D_, updater, work, product, changed);
    }
    // The same of the first `length` rows of the weights.
    template <class Kernel, class Product, class Changed>
    void strip(const Task& task, size_t length, const Updater<T>& updater, Workspace<T>& work, Product product,
               Changed changed) const {
        const auto start = [&](size_t tile) { return Kernel::start(length, tile); };
        const size_t from = size_t(task.which) * columns_of_task(), columns = std::min(columns_of_task(), K_ - from);
        const size_t width = round_up(columns, NR<T>), top = start(task.first);
        const size_t sums = this->sums_offset + top * K_ + from, rows_of_task = start(task.last) - top;
        if (updater.resumes) updater.load_sums(sums, K_, rows_of_task, columns, work.c, width);
        for (size_t k = from; k < from + columns; k += NR<T>)
            for (size_t t = task.first; t < task.last; ++t) {
                const size_t d = start(t), rows = start(t + 1) - d;
                const size_t at = d * K_ + k;
                Prefetch prefetch = updater.prefetch_of(offset_ + at, this->sums_offset + at, rows_of_task * K_, K_,
                                                        rows, std::min<size_t>(NR<T>, K_ - k));
                product(k, d, int(rows), work.c + (d - top) * width + (k - from), width, K_ - k > size_t(LANES<T>),
                        prefetch);
            }
        if (updater.holds) {
            updater.store_sums(sums, K_, rows_of_task, columns, work.c, width);
            return;
        }
        for (size_t t = task.first; t < task.last; ++t) {
            const size_t d = start(t), end = start(t + 1);
            updater.take(offset_ + d * K_ + from, K_, end - d, columns, work.c + (d - top) * width, width);
            changed(d, end);
        }
    }

    // A task of the first `length` rows of the weights.
    void matrix_gradient(const Step& s, const Task& task, size_t length, const Updater<T>& updater,
                         Workspace<T>& work) const {
        using Kernel = Tiles<T, Form::panels>;
        this->template strip<Kernel>(
            task, length, updater, work,
            [&](size_t k, size_t d, int rows, T* c, size_t stride, bool two, const Prefetch& prefetch) {
                if (s.n > 0)
                    Kernel::multiply(in[0]->data + d * NR<T>, 0, D_ * NR<T>, block(s, k / NR<T>), s.n, c, stride, rows,
                                     two, updater.resumes, &prefetch);
            },
            [](size_t, size_t) {});
    }

    static constexpr size_t LARGE = 384 << 10;  // bytes; a good part of a core's L2 cache
    static constexpr size_t ROWS_TO_PACK = 8;
    static constexpr size_t KC_PREDICT = 1024;  // inputs at a time in prediction
    // Batches of so few rows are multiplied row by row: in panels most lanes would have nothing to do.
    static constexpr size_t FEW = LANES<T> < 4 ? LANES<T> : 4;
    static bool few(const Step& s) { return s.total <= FEW; }

    T* block(const Step& s, size_t i) const { return rows_.get() + i * s.panels * NR<T> * NR<T>; }

    void bias_gradient(const Step& s, const Updater<T>& updater, Workspace<T>& work) {
        for (size_t k = 0; k < K_; k += NR<T>) {
            const T* g = block(s, k / NR<T>);
            const size_t columns = std::min<size_t>(NR<T>, K_ - k), sums = this->sums_offset + D_ * K_ + k;
            Vec<T> a{}, b{};
            if (updater.resumes) {
                updater.load_sums(sums, K_, 1, columns, work.c, NR<T>);
                a = load(work.c);
                b = load(work.c + LANES<T>);
            }
            for (size_t r = 0; r < s.n; ++r) {
                a += load(g + r * NR<T>);
                b += load(g + r * NR<T> + LANES<T>);
            }
            store(work.c, a);
            store(work.c + LANES<T>, b);
            if (updater.holds) updater.store_sums(sums, K_, 1, columns, work.c, NR<T>);
            else updater.take(bias_offset_ + k, K_, 1, columns, work.c, NR<T>);
        }
    }

    void forward_few(const Step& s, Part part, Workspace<T>& work) const {
        constexpr size_t L = LANES<T>, AT_A_TIME = 2048;
        const auto [first, last] = part.of((K_ + L - 1) / L);
        for (size_t k = first * L, end; k < std::min(K_, last * L); k = end) {
            end = std::min({K_, last * L, k + AT_A_TIME});
            few_rows(in[0]->data, 1, NR<T>, s.n, k, end, work.c, AT_A_TIME);
            for (size_t j = k; j < end; j += L) {
                Vec<T> square[L]{};
                for (size_t r = 0; r < s.n; ++r) square[r] = load(work.c + r * AT_A_TIME + (j - k));
                transpose<T>(square);
                for (size_t i = 0; i < std::min(L, end - j); ++i) store(out->data + (j + i) * NR<T>, square[i]);
            }
            finish_panel(k, end - k, 0);
        }
    }

    void backward_few(const Step& s, Part part) const {
        constexpr size_t L = LANES<T>;
        const auto [first, last] = part.of((D_ + L - 1) / L);
        for (size_t d = first * L; d < std::min(D_, last * L); d += L) {
            Vec<T> square[L]{};  // in rows of the batch, then in rows of features
            for (size_t r = 0; r < s.n; ++r) {
                Vec<T> sums[L]{};
                for (size_t k = 0; k < K_; k += L) {
                    const Vec<T> g = load(block(s, k / NR<T>) + r * NR<T> + k % NR<T>);
                    for (size_t i = 0; i < L; ++i)
                        sums[i] += g * load_up_to(W_ + std::min(d + i, D_ - 1) * K_ + k, K_ - k);
                }
                transpose<T>(sums);
                for (const Vec<T>& sum : sums) square[r] += sum;
            }
            transpose<T>(square);
            for (size_t i = 0; i < std::min(L, D_ - d); ++i) {
                T* to = in[0]->grad + (d + i) * NR<T>;
                store(to, this->overwrite[0] ? square[i] : load(to) + square[i]);
            }
        }
    }

    // Columns k .. end of x W for n rows, at y; number d of row r is x[r * x_row + d * x_step]. Sums run over the
    // inputs in their order, as they do for many rows: results are batch-invariant.
    void few_rows(const T* x, size_t x_row, size_t x_step, size_t n, size_t k, size_t end, T* y, size_t y_row) const {
        while (n > 0) {
            const size_t rows = n >= 4 ? 4 : n >= 2 ? 2 : 1;
            for (size_t j = k; j < end;) {
                const size_t rest = (end - j + LANES<T> - 1) / LANES<T>, vectors = std::min<size_t>(rows == 1  ? 8
                                                                                                    : MR == 12 ? 4
                                                                                                               : 2,
                                                                                                    rest);
                const auto sums = rows == 4   ? sums_of<4>(vectors, VECTORS{})
                                  : rows == 2 ? sums_of<2>(vectors, VECTORS{})
                                              : sums_of<1>(vectors, ONE_ROW{});
                sums(W_ + j, K_, D_, end - j, x, x_row, x_step, y + (j - k), y_row);
                j += vectors * LANES<T>;
            }
            n -= rows;
            x += rows * x_row;
            y += rows * y_row;
        }
    }
    using Sums = void (*)(const T*, size_t, size_t, size_t, const T*, size_t, size_t, T*, size_t);
    using VECTORS = std::make_index_sequence<MR == 12 ? 4 : 2>;
    using ONE_ROW = std::make_index_sequence<8>;
    template <int ROWS, size_t... NV> static Sums sums_of(size_t vectors, std::index_sequence<NV...>) {
        static constexpr Sums sums[] = {row_sums<ROWS, int(NV + 1)>...};
        return sums[vectors - 1];
    }
    // y = x W for NV vectors of columns of W, the last of which may end after `columns`.
    template <int ROWS, int NV>
    static void row_sums(const T* w, size_t stride, size_t depth, size_t columns, const T* x, size_t x_row,
                         size_t x_step, T* y, size_t y_row) {
        constexpr size_t LAST = (NV - 1) * LANES<T>;
        Vec<T> sums[ROWS][NV]{};
        auto go = [&](auto last_of) {
            for (size_t d = 0; d < depth; ++d, w += stride, x += x_step) {
                Vec<T> column[NV];
                for (int j = 0; j < NV - 1; ++j) column[j] = load(w + j * LANES<T>);
                column[NV - 1] = last_of(w + LAST);
                for (int r = 0; r < ROWS; ++r)
                    for (int j = 0; j < NV; ++j) sums[r][j] += broadcast(x[r * x_row]) * column[j];
            }
        };
        if (columns - LAST >= size_t(LANES<T>)) go([](const T* p) { return load(p); });
        else go([rest = int(columns - LAST)](const T* p) { return load_part(p, rest); });
        for (int r = 0; r < ROWS; ++r)
            for (int j = 0; j < NV; ++j) store(y + r * y_row + j * LANES<T>, sums[r][j]);
    }
    void finish(T* y) const {
        if (b_) each_lane(y, y, b_, K_, [](auto a, auto b) { return a + b; });
        if (activation_ != Activation::none) activate<T>(activation_, T(0), y, y, K_);
    }

    size_t D_, K_;
    const T *W_, *b_;
    size_t offset_, bias_offset_;  // among the parameters
    Activation activation_;
    bool packed_ = false;
    Buffer<T> rows_, pack_;
};

}  // namespace pysmorch
