// A batch that comes in shards, as Python sees it.
#include "python/face.h"
#include "python/interrupted.h"

namespace pysmorch {

template <class T> void Face<T>::hold_sums(Flat<T> sums, Flat<double> wide_sums, Flat<uint8_t> progress) {
    prepare();
    const auto lock = locked();
    require(aligned(sums).shape(0) == program_.num_sums() && aligned(wide_sums).shape(0) == program_.num_wide_sums(),
            "sums have another size than the program's");
    require(progress.shape(0) == 1, "the progress of a step is one number");
    program_.updater.sums = sums.data();
    program_.updater.num_sums = sums.shape(0);
    program_.updater.wide_sums = wide_sums.data();
    progress_ = progress.data();
    sums_referenced_ = nb::make_tuple(sums, wide_sums, progress);
}

template <class T> nb::tuple Face<T>::sum_sizes() {
    prepare();
    nb::list offsets;
    for (const auto& [sums, wide] : program_.sum_offsets()) offsets.append(nb::make_tuple(sums, wide));
    return nb::make_tuple(program_.num_sums(), program_.num_wide_sums(), offsets, NR<T>);
}

template <class T>
nb::object Face<T>::begin_shard(std::vector<Any> data, Any labels, nb::object weights, Flat<const int64_t> order,
                                size_t total, size_t first_row, int64_t step, std::vector<DropoutRates> dropout_rates,
                                int threads) {
    require(program_.updater.parameters && program_.updater.wide_sums, "there is no room for the sums of shards");
    const size_t n = order.shape(0);
    Epoch shard = epoch_of(data, labels, weights, order, std::max<size_t>(n, 1), std::vector<double>(n > 0), step, 0);
    check_dropout(dropout_rates, 1);
    shard.dropout_rates = std::move(dropout_rates);
    require(total > 0 && total < (size_t(1) << 31), "the size of the batch is out of range");
    require(first_row <= total && n <= total - first_row, "a shard ends after its batch");
    require(first_row % NR<T> == 0 || n == 0, "a shard begins within a panel");
    require(first_row + n == total || n % NR<T> == 0, "a shard ends within a panel");
    require(threads >= 1 && threads <= 1024, "the number of threads is out of range");
    shard.total = total;
    shard.first_row = first_row;
    shard_ = Shard::none;
    {
        nb::gil_scoped_release release;
        const auto lock = locked();
        program_.begin_shard(std::move(shard), threads);
    }
    shard_referenced_ = nb::make_tuple(nb::cast(data), labels, weights);
    shard_ = Shard::begun;
    return run_shard(threads);
}

template <class T> nb::object Face<T>::run_shard(int threads) {
    require(shard_ == Shard::begun || shard_ == Shard::waits, "no shard has begun");
    require(threads >= 1 && threads <= 1024, "the number of threads is out of range");
    using State = typename Program<T>::ShardState;
    State state;
    Interrupted interrupted;
    shard_ = Shard::none;  // until it went through
    {
        nb::gil_scoped_release release;
        const auto lock = locked();
        state = program_.run_shard(threads, std::ref(interrupted));
    }
    if (state == State::interrupted) throw nb::python_error();
    if (state == State::failed) return nb::bool_(false);
    shard_ = state == State::waits ? Shard::waits : Shard::complete;
    if (interrupted.raised) throw nb::python_error();
    if (shard_ == Shard::complete) return nb::none();
    return nb::make_tuple(program_.total_panels(), program_.moments().per_panel);
}

template <class T> void Face<T>::read_moments(Matrix<double> moments) {
    require(shard_ == Shard::waits, "no shard waits for numbers of the others");
    const auto all = program_.moments();
    require(aligned(moments).shape(0) == program_.total_panels() && moments.shape(1) == all.per_panel,
            "there must be as many numbers as the panels of the batch have");
    const auto [first, last] = program_.panels_of_shard();
    std::copy(all.data + first * all.per_panel, all.data + last * all.per_panel,
              moments.data() + first * all.per_panel);
}

template <class T> void Face<T>::write_moments(Matrix<const double> moments) {
    require(shard_ == Shard::waits, "no shard waits for numbers of the others");
    const auto all = program_.moments();
    require(aligned(moments).shape(0) == program_.total_panels() && moments.shape(1) == all.per_panel,
            "there must be as many numbers as the panels of the batch have");
    std::copy(moments.data(), moments.data() + moments.size(), all.data);
}

template <class T> bool Face<T>::add_shard(size_t first, size_t last, bool resumes, int threads) {
    require(shard_ == Shard::complete, "no shard is complete");
    require(first <= last && last <= program_.operations.size(), "there are no such operations");
    require(threads >= 1 && threads <= 1024, "the number of threads is out of range");
    nb::gil_scoped_release release;
    const auto lock = locked();
    return program_.add_shard(first, last, resumes, threads);
}

template <class T>
bool Face<T>::apply_sums(double rate, double decay, int64_t optimizer_steps, bool keep, bool adds, bool resumes,
                         int threads) {
    require(shard_ == Shard::complete, "no shard is complete");
    require(optimizer_steps >= 0 && optimizer_steps < MOST_STEPS, "the number of steps is out of range");
    require(threads >= 1 && threads <= 1024, "the number of threads is out of range");
    shard_ = Shard::none;
    using Of = typename Program<T>::SumsOf;
    const Of of = !adds ? Of::all_rows : resumes ? Of::rows_before : Of::no_rows;
    nb::gil_scoped_release release;
    const auto lock = locked();
    *progress_ = BEGUN;
    const bool finite = program_.apply_sums(rate, decay, optimizer_steps, keep, of, threads);
    *progress_ = finite ? COMPLETE : UNCHANGED;
    return finite;
}

#define SHARDS_OF(T)                                                                                                 \
    template void Face<T>::hold_sums(Flat<T>, Flat<double>, Flat<uint8_t>);                                          \
    template nb::tuple Face<T>::sum_sizes();                                                                         \
    template nb::object Face<T>::begin_shard(std::vector<Any>, Any, nb::object, Flat<const int64_t>, size_t, size_t, \
                                             int64_t, std::vector<DropoutRates>, int);                               \
    template nb::object Face<T>::run_shard(int);                                                                     \
    template void Face<T>::read_moments(Matrix<double>);                                                             \
    template void Face<T>::write_moments(Matrix<const double>);                                                      \
    template bool Face<T>::add_shard(size_t, size_t, bool, int);                                                     \
    template bool Face<T>::apply_sums(double, double, int64_t, bool, bool, bool, int);
SHARDS_OF(float)
SHARDS_OF(double)
#undef SHARDS_OF

}  // namespace pysmorch
