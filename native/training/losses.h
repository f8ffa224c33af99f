// Losses: for the rows of a panel the loss, its metric, and the gradient of the mean over the batch.
#pragma once
#include <utility>
#include <vector>

#include "core/data.h"
#include "core/operation.h"

namespace pysmorch {

enum class LossKind : int { square, absolute, huber, quantile, poisson, gamma, tweedie, binary, classes, rows };

struct LossSpec {
    LossKind kind = LossKind::square;
    int value = 0;
    double delta = 1.0;           // of Huber
    double smoothing = 0.0;       // of labels
    double power = 1.5;           // of Tweedie
    std::vector<double> factors;  // quantiles, or class weights; one for each output
};

// What Python calls a loss, the metric that is measured with it, and the attributes of the Python object that it reads,
// with their members; null for one number for each output, which are the factors.
struct LossForm {
    const char* name;
    LossKind kind;
    const char* metric;
    std::vector<std::pair<const char*, double LossSpec::*>> attributes;
};

const std::vector<LossForm>& loss_forms();

struct Labels {
    Rows rows;
    const double* weights = nullptr;
    const int64_t* order = nullptr;  // of the rows of the batch
};

struct Sums {
    double loss = 0, metric = 0, weight = 0;
    bool bad = false;       // an index or a class number was out of range
    char padding[39] = {};  // threads do not share a cache line
};

template <class T> class Loss {
  public:
    LossSpec spec;

    void reserve(size_t K, size_t panels) { labels_.get(K * panels * NR<T>); }

    Sums panel(const Step& s, const Labels& labels, const Value<T>& out, size_t p) const;

  private:
    using V = Vec<T>;

    bool classify(const Labels& labels, size_t row, int here, V factor, const Value<T>& out, size_t p, int half,
                  double* loss, double* score) const;
    void regress(const Labels& labels, size_t row, int here, V factor, const Value<T>& out, size_t p, int half,
                 double* loss, double* score) const;

    mutable Buffer<T> labels_;
};

}  // namespace pysmorch
