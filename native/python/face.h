// A program as Python sees it: checks what comes from Python, releases the GIL, and calls.
#pragma once
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "core/program.h"
#include "python/checks.h"

namespace pysmorch {

template <class T> class Face {
  public:
    Face(nb::list values, nb::list operations, std::vector<int> inputs, nb::dict loss);
    Face(const Face&) = delete;
    Face& operator=(const Face&) = delete;

    // Makes the program one that can be trained. Without it, it can only predict.
    void train_with(nb::dict optimizer, Flat<T> parameters, Flat<T> gradients, std::vector<Flat<T>> states,
                    nb::object rate_factors, nb::object decay_factors, uint64_t seed, bool bf16);

    // Makes products of bfloat16, in a program that only predicts.
    void use_bf16();

    nb::dict train(std::vector<Any> data, Any labels, nb::object weights, Flat<const int64_t> order, size_t batch_size,
                   std::vector<double> rates, std::vector<double> decays, std::vector<DropoutRates> dropout_rates,
                   int64_t step, int64_t optimizer_steps, int threads, std::tuple<double, double, double> sums);

    // Several epochs, each in its own order where rows are shuffled: what `train` does in a call for each, with rates
    // for all their steps. They end where the loss has not fallen by `within` of its first value for `patience` epochs
    // (0 for never), and where another thread sets the flag `cancel`. `before` gets the parameters from before the last
    // epoch.
    nb::dict train_epochs(std::vector<Any> data, Any labels, nb::object weights, Flat<int64_t> order, bool shuffled,
                          size_t batch_size, std::vector<double> rates, std::vector<double> decays,
                          std::vector<DropoutRates> dropout_rates, int64_t epochs, int64_t patience, double within,
                          int64_t optimizer_steps, Flat<T> before, nb::object cancel, int threads);

    bool predict(std::vector<Any> data, Matrix<T> out, int threads);

    // shards.cpp: a batch that comes in shards (see Program). Sums are stored in these arrays, and in `progress`, one
    // number, how far a step is: it stays there where a signal raises an exception as soon as `apply_sums` returns.
    void hold_sums(Flat<T> sums, Flat<double> wide_sums, Flat<uint8_t> progress);
    nb::tuple sum_sizes();
    nb::object begin_shard(std::vector<Any> data, Any labels, nb::object weights, Flat<const int64_t> order,
                           size_t total, size_t first_row, int64_t step, std::vector<DropoutRates> dropout_rates,
                           int threads);
    // Goes on with the shard. Both return the shape of the numbers of all panels that are needed first, None when it is
    // complete, or False when its loss is not finite.
    nb::object run_shard(int threads);
    // Those of its own panels, and those of all of them.
    void read_moments(Matrix<double> moments);
    void write_moments(Matrix<const double> moments);
    bool add_shard(size_t first, size_t last, bool resumes, int threads);
    // With `adds` the shard is the last one, and is added first: to the sums there are, if it `resumes`.
    bool apply_sums(double rate, double decay, int64_t optimizer_steps, bool keep, bool adds, bool resumes,
                    int threads);

    size_t memory(size_t batch_size, int threads);

    // What the program was made from: entries of dictionaries. With the shapes of a row of the only input and of the
    // output (none for other networks) and NumPy's function for new arrays, `quick` can do without Python.
    void watch(nb::list watched, std::vector<nb::tuple> shapes, nb::object empty, nb::object dtype);

    bool unchanged() const;

    // The outputs for a few rows in one array of the program's dtype; None where there is more to do, or anything is
    // wrong.
    nb::object quick(nb::handle X);

  private:
    static constexpr double QUICK = 2e5;  // operations: some microseconds
    static constexpr int64_t MOST_STEPS = int64_t(1) << 62;

    const Value<T>& output() const { return program_.values[size_t(program_.loss.spec.value)]; }
    void add_value(const nb::dict& d);
    void set_loss(const nb::dict& loss);
    void made(int v, const char* otherwise);
    static void factors(const nb::object& given, size_t num_parameters, double& one, const T*& each);
    bool is_shape_of(const std::vector<Py_ssize_t>& shape, int value) const;
    std::vector<Rows> rows_for(const std::vector<Any>& data) const;
    Epoch epoch_of(const std::vector<Any>& data, const Any& labels, const nb::object& weights,
                   const Flat<const int64_t>& order, size_t batch_size, std::vector<double> rates, int64_t step,
                   int64_t optimizer_steps) const;
    void check_labels(const Rows& labels) const;
    static void check_dropout(const std::vector<DropoutRates>& dropout_rates, size_t batches);
    static void check_rates(const std::vector<double>& decays, const std::vector<DropoutRates>& dropout_rates,
                            size_t num_batches);
    std::unique_lock<std::timed_mutex> locked();
    nb::object new_output(size_t count) const;
    void prepare();
    Description describe(const nb::dict& d);
    void describe_states(const nb::dict& d, Description& o);
    const T* own(const Weights<const T>& array);

    nb::list operations_;    // their descriptions
    nb::list arrays_;        // those of them that the program points into, whatever becomes of the descriptions
    nb::object referenced_;  // the other such arrays
    std::vector<std::pair<const T*, const T*>> weight_ranges_;  // parameters that are weights of an operation
    nb::list watched_;
    nb::object empty_, dtype_;
    std::vector<std::vector<Py_ssize_t>> shapes_;
    std::vector<Rows> one_{1};
    std::timed_mutex mutex_;
    std::vector<char> made_;
    bool prepared_ = false, bf16_ = false;
    nb::object sums_referenced_, shard_referenced_;
    enum Progress : uint8_t { UNCHANGED, BEGUN, COMPLETE };  // of a step
    uint8_t* progress_ = nullptr;
    enum class Shard { none, begun, waits, complete } shard_ = Shard::none;
    Program<T> program_;
};

}  // namespace pysmorch
