#include "training/losses.h"

#include <cmath>

#include "kernels/math.h"

namespace pysmorch {

const std::vector<LossForm>& loss_forms() {
    static const std::vector<LossForm> forms = {
        {"square_loss", LossKind::square, "mae", {}},
        {"absolute_loss", LossKind::absolute, "mae", {}},
        {"huber_loss", LossKind::huber, "mae", {{"delta", &LossSpec::delta}}},
        {"quantile_loss", LossKind::quantile, "mae", {{"quantiles", nullptr}}},
        {"poisson_loss", LossKind::poisson, "mae", {}},
        {"gamma_loss", LossKind::gamma, "mae", {}},
        {"tweedie_loss", LossKind::tweedie, "mae", {{"power", &LossSpec::power}}},
        {"binary_cross_entropy", LossKind::binary, "accuracy", {}},
        {"cross_entropy",
         LossKind::classes,
         "accuracy",
         {{"label_smoothing", &LossSpec::smoothing}, {"class_weights", nullptr}}},
        {"cross_entropy_of_rows",
         LossKind::rows,
         "accuracy",  // labels are rows of probabilities
         {{"label_smoothing", &LossSpec::smoothing}, {"class_weights", nullptr}}},
    };
    return forms;
}

template <class T> Sums Loss<T>::panel(const Step& s, const Labels& labels, const Value<T>& out, size_t p) const {
    Sums sums;
    const int lanes = rows_in<T>(s, p);
    double loss[NR<T>]{}, score[NR<T>]{}, weight[NR<T>]{};
    for (int l = 0; l < lanes; ++l) weight[l] = labels.weights ? labels.weights[labels.order[p * NR<T> + l]] : 1.0;
    for (int half = 0; half < NR<T>; half += LANES<T>) {
        const int here = std::min(LANES<T>, lanes - half);
        if (here <= 0) break;
        const size_t row = p * NR<T> + half;
        Vec<T> factor{};
        for (int l = 0; l < here; ++l) factor[l] = T(weight[half + l] / double(s.total));
        if (spec.kind == LossKind::classes || spec.kind == LossKind::rows)
            sums.bad |= !classify(labels, row, here, factor, out, p, half, loss + half, score + half);
        else regress(labels, row, here, factor, out, p, half, loss + half, score + half);
    }
    for (int l = 0; l < lanes; ++l) {
        sums.loss += weight[l] * loss[l];
        sums.metric += weight[l] * score[l];
        sums.weight += weight[l];
    }
    return sums;
}

// Cross-entropy of softmax. With targets t, l = sum of t_k (log sum_j exp(z_j) - z_k), where z is x less its largest
// entry.
template <class T>
bool Loss<T>::classify(const Labels& labels, size_t row, int here, V factor, const Value<T>& out, size_t p, int half,
                       double* loss, double* score) const {
    const size_t K = out.cols;
    const T* x = out.panel(p) + half;
    T* t = labels_.get() + p * K * NR<T> + half;
    V right{};
    for (int l = 0; l < here; ++l) {
        if (spec.kind == LossKind::classes) {
            const int64_t k = static_cast<const int64_t*>(labels.rows.data)[labels.order[row + l]];
            if (k < 0 || size_t(k) >= K) return false;
            right[l] = T(k);
        } else {
            for (size_t k = 0; k < K; ++k)
                t[k * NR<T> + l] = read_number<T>(labels.rows, size_t(labels.order[row + l]), k);
        }
    }
    V largest = load(x), guess{}, label_peak = load(t);
    for (size_t k = 1; k < K; ++k) {
        const V v = load(x + k * NR<T>);
        guess = v > largest ? broadcast(T(k)) : guess;
        largest = vmax<T>(v, largest);
        if (spec.kind == LossKind::rows) {
            const V u = load(t + k * NR<T>);
            right = u > label_peak ? broadcast(T(k)) : right;
            label_peak = vmax<T>(u, label_peak);
        }
    }
    T* g = out.grad ? out.grad_panel(p) + half : nullptr;
    V sum{};
    DoubleSum<T> wide;
    const T plain = T(1 - spec.smoothing), even = T(spec.smoothing / double(K));
    auto target = [&](size_t k) {
        V one;
        if (spec.kind == LossKind::classes) one = right == broadcast(T(k)) ? broadcast(T(1)) : V{};
        else one = load(t + k * NR<T>);
        V v = one * plain + even;
        return spec.factors.empty() ? v : v * T(spec.factors[k]);
    };
    V dot{}, total{};
    for (size_t k = 0; k < K; ++k) {
        const V z = load(x + k * NR<T>) - largest, y = target(k);
        dot += y == V{} ? V{} : y * z;
        total += y;
        const V power = vexp(z);
        wide.add(power);
        if (g) store(g + k * NR<T>, power);  // exponentials stay where the gradient will be
    }
    for (int l = 0; l < LANES<T>; ++l) sum[l] = T(wide.lane(l));
    for (int l = 0; l < here; ++l) {
        loss[l] = double(total[l]) * std::log(wide.lane(l)) - double(dot[l]);
        score[l] = guess[l] == right[l] ? 1 : 0;
    }
    if (!g) return true;
    const V scale = total / sum;
    for (size_t k = 0; k < K; ++k) {
        const V d = factor * (load(g + k * NR<T>) * scale - target(k));
        store(g + k * NR<T>, factor == V{} ? V{} : d);
    }
    return true;
}

template <class T>
void Loss<T>::regress(const Labels& labels, size_t row, int here, V factor, const Value<T>& out, size_t p, int half,
                      double* loss, double* score) const {
    const size_t K = out.cols;
    T* g = out.grad ? out.grad_panel(p) + half : nullptr;
    const bool has_log_link =
        spec.kind == LossKind::poisson || spec.kind == LossKind::gamma || spec.kind == LossKind::tweedie;
    for (size_t k = 0; k < K; ++k)
        for (int l = 0; l < LANES<T>; ++l) {
            if (l >= here) {
                if (g) g[k * NR<T> + l] = T(0);
                continue;
            }
            const double v = double(out.panel(p)[k * NR<T> + half + l]);
            const double t =
                read_number<double>(labels.rows, size_t(labels.order[row + l]), labels.rows.cols == K ? k : 0);
            double d = v - t;
            double& sum = loss[l];
            if (spec.kind == LossKind::binary) score[l] += (v > 0) == (t > 0.5);
            else score[l] += std::fabs((has_log_link ? std::exp(v) : v) - t);
            switch (spec.kind) {
                case LossKind::square: sum += 0.5 * d * d; break;
                case LossKind::absolute:
                    sum += std::fabs(d);
                    d = (d > 0) - (d < 0);
                    break;
                case LossKind::huber: {
                    const double near = std::min(std::fabs(d), spec.delta);
                    sum += near * (std::fabs(d) - 0.5 * near);
                    d = std::clamp(d, -spec.delta, spec.delta);
                    break;
                }
                case LossKind::quantile: {
                    const double q = spec.factors[k];
                    sum += std::max(q * -d, (q - 1) * -d);
                    d = d < 0 ? -q : d > 0 ? 1 - q : 0.0;
                    break;
                }
                case LossKind::poisson: {
                    const double rate = std::exp(v);
                    sum += rate - t * v;
                    d = rate - t;
                    break;
                }
                case LossKind::gamma: {
                    const double ratio = t * std::exp(-v);
                    sum += v + ratio;
                    d = 1.0 - ratio;
                    break;
                }
                case LossKind::tweedie: {
                    const double mean = std::exp((2.0 - spec.power) * v);
                    const double inverse = t > 0 ? t * std::exp((1.0 - spec.power) * v) : 0.0;
                    sum += mean / (2.0 - spec.power) + inverse / (spec.power - 1.0);
                    d = mean - inverse;
                    break;
                }
                default: {  // binary cross-entropy
                    const double small = std::exp(-std::fabs(v));
                    sum += std::max(v, 0.0) + std::log1p(small) - t * v;
                    d = (v >= 0 ? 1.0 : small) / (1.0 + small) - t;
                }
            }
            if (g) g[k * NR<T> + l] = factor[l] * T(d);
        }
    for (int l = 0; l < here; ++l) score[l] /= double(std::max<size_t>(K, 1));
}

template class Loss<float>;
template class Loss<double>;

}  // namespace pysmorch
