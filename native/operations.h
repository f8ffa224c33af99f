// The operations by name.
#pragma once
#include "operations/arrange.h"
#include "operations/convolution_amx.h"
#include "operations/convolution_bf16.h"
#include "operations/convolution_depthwise.h"
#include "operations/convolution_predict_bf16.h"
#include "operations/convolution_winograd.h"
#include "operations/dense.h"
#include "operations/dense_amx.h"
#include "operations/dense_dot.h"
#include "operations/elementwise.h"
#include "operations/normalize.h"
#include "operations/places.h"
#include "operations/pooling.h"

namespace pysmorch {

// An entry of the registry: what an operation takes, and what makes one.
template <class T> struct Entry {
    Signature signature;
    std::unique_ptr<Operation<T>> (*make)(const Description&, const Updater<T>&);
};

template <class T, template <class> class O> std::unique_ptr<Operation<T>> make(const Description& d, const Updater<T>& u) {
    return std::make_unique<O<T>>(d, u);
}
template <class T, template <class> class O> Entry<T> entry() { return {O<T>::signature(), make<T, O>}; }

// Several classes make the same operation in different ways; which one depends on sizes and precision.
template <class T> std::unique_ptr<Operation<T>> make_dense(const Description& d, const Updater<T>& u) {
#ifdef PYSMORCH_BF16
    if constexpr (std::is_same_v<T, float>)
        if (d.bf16) {
            if (AmxTiles::usable()) return std::make_unique<DenseAmx>(d, u);
            return std::make_unique<DenseDot>(d, u);
        }
#endif
    return std::make_unique<Dense<T>>(d, u);
}
template <class T> std::unique_ptr<Operation<T>> make_convolution(const Description& d, const Updater<T>& u) {
    if (DepthwiseConvolution<T>::pays(d)) return std::make_unique<DepthwiseConvolution<T>>(d, u);
#ifdef PYSMORCH_BF16
    if constexpr (std::is_same_v<T, float>)
        if (d.bf16) {
            if (!u.parameters && PredictingConvolution::pays(d)) return std::make_unique<PredictingConvolution>(d, u);
            if (ConvolutionAmx::pays(d)) return std::make_unique<ConvolutionAmx>(d, u);
            if (WinogradConvolution<T, Pair>::pays(d)) return std::make_unique<WinogradConvolution<T, Pair>>(d, u);
            if (ConvolutionBf16::pays(d)) return std::make_unique<ConvolutionBf16>(d, u);
        }
#endif
    if (WinogradConvolution<T>::pays(d)) return std::make_unique<WinogradConvolution<T>>(d, u);
    return std::make_unique<Convolution<T>>(d, u);
}

template <class T> using Bias = Channelwise<T, false>;
template <class T> using Scale = Channelwise<T, true>;
template <class T> using Add = Combine<T, false>;
template <class T> using Multiply = Combine<T, true>;
template <class T> using MaxPool = Pool<T, true>;
template <class T> using AvgPool = Pool<T, false>;
template <class T> using Pad = MovePlaces<T, true>;
template <class T> using Upsample = MovePlaces<T, false>;
template <class T> using Shift = ChangeImages<T, Change::shift>;
template <class T> using Flip = ChangeImages<T, Change::flip>;
template <class T> using Crop = ChangeImages<T, Change::crop>;
template <class T> using Cutout = ChangeImages<T, Change::cutout>;

template <class T> const std::unordered_map<std::string, Entry<T>>& registry() {
    static const std::unordered_map<std::string, Entry<T>> all = {
        {"linear", {Dense<T>::signature(), make_dense<T>}},
        {"bias", entry<T, Bias>()},
        {"scale", entry<T, Scale>()},
        {"add", entry<T, Add>()},
        {"multiply", entry<T, Multiply>()},
        {"concat", entry<T, Concat>()},
        {"embedding", entry<T, Embedding>()},
        {"dropout", entry<T, DropOut>()},
        {"normalize", entry<T, Normalize>()},
        {"layer_normalize", entry<T, LayerNormalize>()},
        {"group_normalize", entry<T, GroupNormalize>()},
        {"rescale", entry<T, Rescale>()},
        {"conv2d", {Convolution<T>::signature(), make_convolution<T>}},
        {"conv_transpose2d", entry<T, TransposedConvolution>()},
        {"max_pool2d", entry<T, MaxPool>()},
        {"avg_pool2d", entry<T, AvgPool>()},
        {"global_avg_pool2d", entry<T, GlobalAverage>()},
        {"upsample2d", entry<T, Upsample>()},
        {"pad2d", entry<T, Pad>()},
        {"random_shift", entry<T, Shift>()},
        {"random_flip", entry<T, Flip>()},
        {"random_crop", entry<T, Crop>()},
        {"cutout", entry<T, Cutout>()},
        {"relu", entry<T, Activate>()},
        {"leaky_relu", {{.attributes = {"slope"}}, make<T, Activate>}},
        {"sigmoid", entry<T, Activate>()},
        {"tanh", entry<T, Activate>()},
        {"gelu", entry<T, Activate>()},
        {"silu", entry<T, Activate>()},
        {"mish", entry<T, Activate>()},
        {"selu", entry<T, Activate>()},
    };
    return all;
}

inline bool has(const std::vector<std::string>& names, const std::string& name) { return std::find(names.begin(), names.end(), name) != names.end(); }

// Says what of a description is not as the signature of the operation says.
inline void check_signature(const Description& d, const Signature& s) {
    require(d.inputs.size() >= s.least_inputs && d.inputs.size() <= s.most_inputs, d.kind + " has another number of inputs");
    for (const std::string& name : s.parameters) require(d.parameter(name.c_str()).data != nullptr, d.kind + " needs " + name);
    for (const Parameter& p : d.parameters) {
        require(has(s.parameters, p.name) || has(s.fuses, p.name), d.kind + " takes no " + p.name);
        for (size_t n : p.shape) require(n > 0 && n < (size_t(1) << 31), d.kind + ": " + p.name + " has a size that is out of range");
    }
    for (const std::string& name : s.attributes) d.number(name.c_str());
    const Activation activation = activation_named(d.activation);
    require(activation == Activation::none || (has(s.fuses, "activation") && is_fusable(activation)), d.kind + " cannot include the activation " + d.activation);
}

// Makes the operation that is described, between these values, or says what does not fit.
template <class T> std::unique_ptr<Operation<T>> make_operation(const Description& d, std::vector<Value<T>>& values, const Updater<T>& updater) {
    const auto found = registry<T>().find(d.kind);
    require(found != registry<T>().end(), "there is no operation " + d.kind);
    const Entry<T>& entry = found->second;
    check_signature(d, entry.signature);
    const Value<T>& y = values[size_t(d.output)];
    require(d.channels > 0 && d.channels <= y.cols && y.cols % d.channels == 0, d.kind + ": the channels do not fit");
    for (int v : d.inputs)
        require(values[size_t(v)].is_index == entry.signature.reads_indices, "indices go into an operation that reads indices, and nothing else does");
    require(!y.is_index, "an operation does not make indices");
    // No image is larger than the values are, whatever its sizes are said to be.
    size_t largest = y.cols;
    for (int v : d.inputs) largest = std::max(largest, values[size_t(v)].cols);
    for (const char* name : {"height", "width", "out_height", "out_width"}) {
        const auto size = d.numbers.find(name);
        require(size == d.numbers.end() || size->second <= double(largest), d.kind + ": the sizes do not fit");
    }
    std::unique_ptr<Operation<T>> operation = entry.make(d, updater);
    for (int v : d.inputs) operation->in.push_back(&values[size_t(v)]);
    operation->out = &values[size_t(d.output)];
    require(operation->fits(), d.kind + ": the sizes do not fit");
    return operation;
}

}  // namespace pysmorch
