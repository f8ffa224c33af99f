// Optimizers: gradients of some parameters come in, and the parameters change.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/prefetch.h"

namespace pysmorch {

enum class OptimizerKind : int;  // optimizers.cpp has them all

struct OptimizerSpec {
    OptimizerKind kind{};
    double momentum = 0, beta1 = 0, beta2 = 0, epsilon = 0, decay = 0, clip_norm = 0;
    double nesterov = 0;  // 1 for yes
};

// What Python calls an optimizer, and the attributes of the Python object that it reads besides those that all have,
// with their members.
struct OptimizerForm {
    const char* name;
    OptimizerKind kind;
    std::vector<std::pair<const char*, double OptimizerSpec::*>> attributes;
};

const std::vector<OptimizerForm>& optimizer_forms();
// Arrays of the parameters' size that an optimizer needs.
size_t num_states(const OptimizerSpec& spec);

// All parameters with their gradients and states, and what one step of the optimizer does to them.
template <class T> class Updater {
  public:
    OptimizerSpec spec;
    T *parameters = nullptr, *gradients = nullptr, *state1 = nullptr, *state2 = nullptr;
    size_t num_parameters = 0;
    const T *rate_factors = nullptr, *decay_factors = nullptr;  // alike within an array, or null for one number
    double rate_factor = 1, decay_factor = 1;
    // Of a batch that comes in shards: sums over the rows so far, in T and in double. Gradients go on from them with
    // `resumes`, and are stored there instead of taken with `holds`.
    T* sums = nullptr;
    double* wide_sums = nullptr;
    size_t num_sums = 0;
    bool resumes = false, holds = false;

    // Where among the parameters an array begins; in a program that only predicts, it may be anywhere.
    size_t offset_of(const T* array) const { return array && parameters ? size_t(array - parameters) : 0; }

    // Sets what is to be done in this step; gradients are stored where `keep` says so, or clipping needs them.
    void begin(double rate, double weight_decay, int64_t step, bool keep);

    // Takes the gradient of `rows` rows of `cols` parameters: changes them, or only stores it where clipping comes
    // first.
    void take(size_t offset, size_t stride, size_t rows, size_t cols, const T* g, size_t g_stride) const;

    T* sums_at(size_t offset) const { return sums ? sums + offset : nullptr; }
    double* wide_sums_at(size_t offset) const { return wide_sums ? wide_sums + offset : nullptr; }
    // Sums of some rows of parameters, from where they are stored and to there.
    void load_sums(size_t at, size_t stride, size_t rows, size_t cols, T* to, size_t to_stride) const;
    void store_sums(size_t at, size_t stride, size_t rows, size_t cols, const T* from, size_t from_stride) const;

    // What `take` will change, or the sums at `sums` that will be stored: it comes from further away than the L2 cache.
    // Where sums were loaded, those that are `ahead` of them are next.
    Prefetch prefetch_of(size_t offset, size_t sums, size_t ahead, size_t stride, size_t rows, size_t cols) const {
        auto at = [&](const T* array, size_t i) { return array ? reinterpret_cast<const char*>(array + i) : nullptr; };
        Prefetch prefetch{{}, stride * sizeof(T), rows, cols * sizeof(T)};
        if (!holds) {
            prefetch.arrays[0] = at(parameters, offset);
            prefetch.arrays[1] = at(state1, offset);
            prefetch.arrays[2] = at(state2, offset);
        }
        if (resumes && sums + ahead + rows * stride <= num_sums) prefetch.arrays[3] = at(this->sums, sums + ahead);
        else if (holds && !resumes) prefetch.arrays[3] = at(this->sums, sums);
        return prefetch;
    }

    double squared_norm(size_t from, size_t to) const;

    // Changes parameters by the stored gradients times `clip`.
    void change_all(size_t from, size_t to, double clip) const;

  private:
    bool alike(size_t p, size_t q) const;
    void change(size_t offset, size_t stride, size_t rows, size_t cols, const T* g, size_t g_stride, double clip) const;
    template <OptimizerKind KIND, bool STATE>
    void change_as(size_t offset, size_t stride, size_t rows, size_t cols, const T* g, size_t g_stride,
                   double clip) const;

    double rate_ = 0, weight_decay_ = 0, rest1_ = 1, root2_ = 1;
    bool keep_ = false;
};

}  // namespace pysmorch
