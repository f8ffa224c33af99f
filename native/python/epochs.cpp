// Several epochs in one call: the interpreter is not needed between them.
#include <cmath>
#include <cstring>
#include <limits>

#include "core/random.h"
#include "python/face.h"
#include "python/interrupted.h"

namespace pysmorch {

namespace {

// Whether the loss of an epoch no longer falls, as the callback `Converged` finds it.
class Converged {
  public:
    Converged(int64_t patience, double within) : patience_(patience), within_(within) {}

    bool after(double loss) {
        if (std::isnan(least_)) least_ = within_ * std::abs(loss);
        const double bound = best_ - least_;
        since_ = loss < bound ? 0 : since_ + 1;
        if (since_ == 0) best_ = loss;
        return patience_ > 0 && since_ >= patience_;
    }

  private:
    const int64_t patience_;
    const double within_;
    double best_ = std::numeric_limits<double>::infinity();
    // A product of its own, as in Python: not one with the difference.
    volatile double least_ = std::numeric_limits<double>::quiet_NaN();
    int64_t since_ = 0;
};

template <class V> std::vector<V> piece_of(const std::vector<V>& values, size_t first, size_t count) {
    const auto begin = values.begin() + std::ptrdiff_t(first);
    return {begin, begin + std::ptrdiff_t(count)};
}

}  // namespace

template <class T>
nb::dict Face<T>::train_epochs(std::vector<Any> data, Any labels, nb::object weights, Flat<int64_t> order,
                               bool shuffled, size_t batch_size, std::vector<double> rates, std::vector<double> decays,
                               std::vector<DropoutRates> dropout_rates, int64_t epochs, int64_t patience, double within,
                               int64_t optimizer_steps, Flat<T> before, nb::object cancel, int threads) {
    require(program_.updater.parameters, "this program can only predict");
    prepare();
    const size_t count = order.shape(0);
    require(batch_size > 0 && batch_size < (size_t(1) << 31), "the size of the batch is out of range");
    require(count > 0 && count <= 0xFFFFFFFFu, "an order has at most 2^32 - 1 rows, and at least one");
    const size_t batches = (count + batch_size - 1) / batch_size;
    require(epochs > 0 && epochs < MOST_STEPS && rates.size() / batches == size_t(epochs) && rates.size() % batches == 0,
            "there must be one learning rate for each batch");
    check_rates(decays, dropout_rates, rates.size());
    require(aligned(before).shape(0) == program_.updater.num_parameters, "there must be room for all parameters");
    require(threads >= 1 && threads <= 1024, "the number of threads is out of range");
    Epoch epoch = epoch_of(data, labels, weights, Flat<const int64_t>(order), batch_size, piece_of(rates, 0, batches), 0,
                           optimizer_steps);
    Interrupted interrupted;
    if (!cancel.is_none()) {
        const auto flag = as<Flat<uint8_t>>(cancel, "cancel");
        require(flag.shape(0) == 1, "a flag is one number");
        interrupted.flag = flag.data();
    }
    std::vector<Result> results;  // of each epoch, the last one of which may not be complete
    std::vector<double> seconds;
    {
        nb::gil_scoped_release release;
        const auto lock = locked();
        Converged converged(patience, within);
        for (int64_t e = 0; e < epochs; ++e) {
            const auto start = std::chrono::steady_clock::now();
            const size_t first = size_t(e) * batches;
            std::memcpy(before.data(), program_.updater.parameters, before.size() * sizeof(T));
            if (shuffled) permutation(program_.seed, uint64_t(e), count, epoch.order.data());
            epoch.rates = piece_of(rates, first, batches);
            epoch.decays = piece_of(decays, first, batches);
            epoch.dropout_rates.clear();
            for (const auto& [stream, of_stream] : dropout_rates)
                epoch.dropout_rates.push_back({stream, piece_of(of_stream, first, batches)});
            epoch.first_step = int64_t(first);
            epoch.optimizer_steps = optimizer_steps + int64_t(first);
            results.push_back(program_.train(epoch, threads, std::ref(interrupted)));
            seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
            const Result& r = results.back();
            if (interrupted.raised || interrupted.cancelled || r.failed_batch >= 0) break;
            if (converged.after(r.loss / double(r.rows))) break;
        }
    }
    if (shuffled) std::memcpy(order.data(), epoch.order.data(), count * sizeof(int64_t));  // that of the last epoch
    nb::dict out;
    if (interrupted.raised) {  // whoever called has to know how many steps were taken, before it raises the exception
        nb::python_error error;
        out["raised"] = error.value();
    }
    nb::list sums;
    for (size_t e = 0; e < results.size(); ++e) {
        const Result& r = results[e];
        sums.append(nb::make_tuple(r.loss, r.metric, r.weight, r.rows, r.steps, seconds[e]));
    }
    out["epochs"] = sums;
    out["cancelled"] = interrupted.cancelled;
    out["failed_batch"] = results.back().failed_batch;
    return out;
}

template nb::dict Face<float>::train_epochs(std::vector<Any>, Any, nb::object, Flat<int64_t>, bool, size_t,
                                            std::vector<double>, std::vector<double>, std::vector<DropoutRates>,
                                            int64_t, int64_t, double, int64_t, Flat<float>, nb::object, int);
template nb::dict Face<double>::train_epochs(std::vector<Any>, Any, nb::object, Flat<int64_t>, bool, size_t,
                                             std::vector<double>, std::vector<double>, std::vector<DropoutRates>,
                                             int64_t, int64_t, double, int64_t, Flat<double>, nb::object, int);

}  // namespace pysmorch
