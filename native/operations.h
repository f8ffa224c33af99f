// The operations by name.
#pragma once
#include "operations/arrange.h"
#include "operations/convolution_amx.h"
#include "operations/convolution_bf16.h"
#include "operations/convolution_depthwise.h"
#include "operations/convolution_winograd.h"
#include "operations/dense.h"
#include "operations/dense_amx.h"
#include "operations/dense_dot.h"
#include "operations/elementwise.h"
#include "operations/normalize.h"
#include "operations/places.h"
#include "operations/pooling.h"

namespace pysmorch {

template <class T> using Maker = std::unique_ptr<Operation<T>> (*)(const Description&, const Updater<T>&);

template <class T, template <class> class O> std::unique_ptr<Operation<T>> make(const Description& d, const Updater<T>& u) {
    return std::make_unique<O<T>>(d, u);
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

template <class T> const std::unordered_map<std::string, Maker<T>>& makers() {
    static const std::unordered_map<std::string, Maker<T>> all = {
        {"linear", make<T, Dense>},       {"bias", make<T, Bias>},           {"scale", make<T, Scale>},
        {"add", make<T, Add>},            {"multiply", make<T, Multiply>},   {"concat", make<T, Concat>},
        {"embedding", make<T, Embedding>}, {"dropout", make<T, DropOut>},    {"normalize", make<T, Normalize>},
        {"layer_normalize", make<T, LayerNormalize>}, {"group_normalize", make<T, GroupNormalize>}, {"rescale", make<T, Rescale>},
        {"conv2d", make<T, Convolution>}, {"conv_transpose2d", make<T, TransposedConvolution>},
        {"max_pool2d", make<T, MaxPool>}, {"avg_pool2d", make<T, AvgPool>},  {"global_avg_pool2d", make<T, GlobalAverage>},
        {"upsample2d", make<T, Upsample>}, {"pad2d", make<T, Pad>},
        {"random_shift", make<T, Shift>}, {"random_flip", make<T, Flip>},    {"random_crop", make<T, Crop>}, {"cutout", make<T, Cutout>},
        {"relu", make<T, Activate>},      {"leaky_relu", make<T, Activate>}, {"sigmoid", make<T, Activate>},
        {"tanh", make<T, Activate>},      {"gelu", make<T, Activate>},       {"silu", make<T, Activate>},
        {"mish", make<T, Activate>},      {"selu", make<T, Activate>},
    };
    return all;
}

// Makes the operation that is described, between these values, or says what does not fit.
template <class T> std::unique_ptr<Operation<T>> make_operation(const Description& d, std::vector<Value<T>>& values, const Updater<T>& updater) {
    const auto maker = makers<T>().find(d.kind);
    require(maker != makers<T>().end(), "there is no operation " + d.kind);
    const bool takes_several = d.kind == "add" || d.kind == "multiply" || d.kind == "concat" || d.kind == "normalize";
    require(takes_several ? !d.inputs.empty() : d.inputs.size() == 1, d.kind + " has another number of inputs");
    const Value<T>& y = values[size_t(d.output)];
    require(d.channels > 0 && d.channels <= y.cols && y.cols % d.channels == 0, d.kind + ": the channels do not fit");
    size_t size = 1;
    for (size_t n : d.shape) {
        require(n > 0 && n < (size_t(1) << 31), d.kind + ": the weights have a size that is out of range");
        size *= n;
    }
    const bool needs_matrix = d.kind == "linear" || d.kind == "embedding", needs_row = d.kind == "bias" || d.kind == "scale";
    require(!needs_matrix || d.shape.size() == 2, d.kind + " needs a matrix of weights");
    require(!needs_row || size == d.channels, d.kind + " needs a weight for each channel");
    require(d.weights || !(needs_matrix || needs_row), d.kind + " needs weights");
    for (int v : d.inputs)
        require(values[size_t(v)].is_index == (d.kind == "embedding"), "indices go into an embedding, and nothing else does");
    require(!y.is_index, "an operation does not make indices");
    // No image is larger than the values are, whatever its sizes are said to be.
    size_t largest = y.cols;
    for (int v : d.inputs) largest = std::max(largest, values[size_t(v)].cols);
    for (const char* name : {"height", "width", "out_height", "out_width"}) {
        const auto size = d.numbers.find(name);
        require(size == d.numbers.end() || size->second <= double(largest), d.kind + ": the sizes do not fit");
    }
    std::unique_ptr<Operation<T>> operation;
    if (d.kind == "conv2d" && DepthwiseConvolution<T>::pays(d)) operation = std::make_unique<DepthwiseConvolution<T>>(d, updater);
#ifdef PYSMORCH_BF16
    if constexpr (std::is_same_v<T, float>)
        if (d.bf16 && !operation) {
            if (d.kind == "linear" && AmxTiles::usable()) operation = std::make_unique<DenseAmx>(d, updater);
            else if (d.kind == "linear") operation = std::make_unique<DenseDot>(d, updater);
            if (d.kind == "conv2d" && ConvolutionAmx::pays(d)) operation = std::make_unique<ConvolutionAmx>(d, updater);
            else if (d.kind == "conv2d" && WinogradConvolution<T, Pair>::pays(d)) operation = std::make_unique<WinogradConvolution<T, Pair>>(d, updater);
            else if (d.kind == "conv2d" && ConvolutionBf16::pays(d)) operation = std::make_unique<ConvolutionBf16>(d, updater);
        }
#endif
    if (!operation && d.kind == "conv2d" && WinogradConvolution<T>::pays(d)) operation = std::make_unique<WinogradConvolution<T>>(d, updater);
    if (!operation) operation = maker->second(d, updater);
    for (int v : d.inputs) operation->in.push_back(&values[size_t(v)]);
    operation->out = &values[size_t(d.output)];
    require(operation->fits(), d.kind + ": the sizes do not fit");
    return operation;
}

}  // namespace pysmorch
