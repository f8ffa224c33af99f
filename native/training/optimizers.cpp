#include "training/optimizers.h"

#include <cmath>
#include <cstring>

#include "kernels/math.h"

namespace pysmorch {

enum class OptimizerKind : int { sgd, adam, adamw, rmsprop };

size_t num_states(const OptimizerSpec& spec) {
    if (spec.kind == OptimizerKind::sgd) return spec.momentum > 0 ? 1 : 0;
    return 2;
}

const std::vector<OptimizerForm>& optimizer_forms() {
    using S = OptimizerSpec;
    static const std::vector<OptimizerForm> forms = {
        {"sgd", OptimizerKind::sgd, {{"momentum", &S::momentum}, {"nesterov", &S::nesterov}}},
        {"adam", OptimizerKind::adam, {{"beta1", &S::beta1}, {"beta2", &S::beta2}, {"epsilon", &S::epsilon}}},
        {"adamw", OptimizerKind::adamw, {{"beta1", &S::beta1}, {"beta2", &S::beta2}, {"epsilon", &S::epsilon}}},
        {"rmsprop",
         OptimizerKind::rmsprop,
         {{"decay", &S::decay}, {"epsilon", &S::epsilon}, {"momentum", &S::momentum}}},
    };
    return forms;
}

template <class T> void Updater<T>::begin(double rate, double weight_decay, int64_t step, bool keep) {
    rate_ = rate;
    weight_decay_ = weight_decay;
    keep_ = keep;
    const bool adam = spec.kind == OptimizerKind::adam || spec.kind == OptimizerKind::adamw;
    rest1_ = adam ? 1 - std::pow(spec.beta1, double(step)) : 1;
    root2_ = adam ? std::sqrt(1 - std::pow(spec.beta2, double(step))) : 1;
}

template <class T>
void Updater<T>::take(size_t offset, size_t stride, size_t rows, size_t cols, const T* g, size_t g_stride) const {
    if (keep_ || spec.clip_norm > 0)
        for (size_t r = 0; r < rows; ++r) {
            T* to = gradients + offset + r * stride;
            if (to != g + r * g_stride) std::memcpy(to, g + r * g_stride, cols * sizeof(T));
        }
    if (spec.clip_norm <= 0) change(offset, stride, rows, cols, g, g_stride, 1.0);
}

template <class T>
void Updater<T>::load_sums(size_t at, size_t stride, size_t rows, size_t cols, T* to, size_t to_stride) const {
    for (size_t r = 0; r < rows; ++r) std::memcpy(to + r * to_stride, sums + at + r * stride, cols * sizeof(T));
}

template <class T>
void Updater<T>::store_sums(size_t at, size_t stride, size_t rows, size_t cols, const T* from,
                            size_t from_stride) const {
    for (size_t r = 0; r < rows; ++r) std::memcpy(sums + at + r * stride, from + r * from_stride, cols * sizeof(T));
}

template <class T> double Updater<T>::squared_norm(size_t from, size_t to) const {
    double sum = 0;
    for (size_t p = from; p < to; ++p) sum += double(gradients[p]) * double(gradients[p]);
    return sum;
}

template <class T> void Updater<T>::change_all(size_t from, size_t to, double clip) const {
    for (size_t end; from < to; from = end) {
        for (end = from + 1; end < to && alike(from, end);) ++end;
        change(from, 0, 1, end - from, gradients + from, 0, clip);
    }
}

template <class T> bool Updater<T>::alike(size_t p, size_t q) const {
    return (!rate_factors || rate_factors[p] == rate_factors[q]) &&
           (!decay_factors || decay_factors[p] == decay_factors[q]);
}

template <class T>
void Updater<T>::change(size_t offset, size_t stride, size_t rows, size_t cols, const T* g, size_t g_stride,
                        double clip) const {
    auto as = [&]<OptimizerKind KIND, bool STATE>() {
        change_as<KIND, STATE>(offset, stride, rows, cols, g, g_stride, clip);
    };
    switch (spec.kind) {
        case OptimizerKind::sgd:
            if (state1) as.template operator()<OptimizerKind::sgd, true>();
            else as.template operator()<OptimizerKind::sgd, false>();
            break;
        case OptimizerKind::adam: as.template operator()<OptimizerKind::adam, true>(); break;
        case OptimizerKind::adamw: as.template operator()<OptimizerKind::adamw, true>(); break;
        case OptimizerKind::rmsprop: as.template operator()<OptimizerKind::rmsprop, true>(); break;
    }
}

template <class T>
template <OptimizerKind KIND, bool STATE>
void Updater<T>::change_as(size_t offset, size_t stride, size_t rows, size_t cols, const T* g, size_t g_stride,
                           double clip) const {
    const T rate = T(rate_ * (rate_factors ? double(rate_factors[offset]) : rate_factor));
    const T decay = T(weight_decay_ * (decay_factors ? double(decay_factors[offset]) : decay_factor));
    const T clip_by = T(clip), shrink = KIND == OptimizerKind::adamw ? T(rate * decay) : T(0);
    const T momentum = T(spec.momentum), epsilon = T(spec.epsilon), rho = T(spec.decay),
            adam_rate = T(double(rate) / rest1_);
    const T b1 = T(spec.beta1), b2 = T(spec.beta2), inverse_root = T(1 / root2_);
    const bool nesterov = spec.nesterov != 0;
    auto one = [&](Vec<T> W, Vec<T> gradient, Vec<T>& m, Vec<T>& v) __attribute__((always_inline)) {
        Vec<T> d = gradient * clip_by;
        if (KIND == OptimizerKind::adamw) W -= shrink * W;
        else d += decay * W;
        if (KIND == OptimizerKind::sgd) {
            if (STATE) {
                m = momentum * m + d;
                d = nesterov ? d + momentum * m : m;
            }
            return W - rate * d;
        }
        if (KIND == OptimizerKind::rmsprop) {
            m = rho * m + (1 - rho) * d * d;
            v = momentum * v + d / (vsqrt(m) + epsilon);
            return W - rate * v;
        }
        m = b1 * m + (1 - b1) * d;
        v = b2 * v + (1 - b2) * d * d;
        return W - adam_rate * m / (vsqrt(v) * inverse_root + epsilon);
    };
    constexpr bool SECOND = KIND != OptimizerKind::sgd;
    for (size_t r = 0; r < rows; ++r) {
        const size_t p = offset + r * stride;
        const T* from = g + r * g_stride;
        T *W = parameters + p, *m = STATE ? state1 + p : nullptr, *v = SECOND ? state2 + p : nullptr;
        Vec<T> a{}, b{};
        size_t i = 0;
        for (; i + LANES<T> <= cols; i += LANES<T>) {
            if (STATE) a = load(m + i);
            if (SECOND) b = load(v + i);
            store(W + i, one(load(W + i), load(from + i), a, b));
            if (STATE) store(m + i, a);
            if (SECOND) store(v + i, b);
        }
        if (i < cols) {
            const int rest = int(cols - i);
            if (STATE) a = load_part(m + i, rest);
            if (SECOND) b = load_part(v + i, rest);
            store_part(W + i, one(load_part(W + i, rest), load_part(from + i, rest), a, b), rest);
            if (STATE) store_part(m + i, a, rest);
            if (SECOND) store_part(v + i, b, rest);
        }
    }
}

template class Updater<float>;
template class Updater<double>;

}  // namespace pysmorch
