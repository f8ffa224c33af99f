#include "operations/registry.h"

#include <algorithm>

#include "kernels/activations.h"
#include "operations/families.h"

namespace pysmorch {

template <class T> const Registry<T>& registry() {
    static const Registry<T> all = [] {
        Registry<T> r;
        add_activations(r);
        add_convolutions(r);
        add_dense(r);
        add_elementwise(r);
        add_images(r);
        add_normalizations(r);
        add_pooling(r);
        add_quantized(r);
        add_shapes(r);
        return r;
    }();
    return all;
}
template const Registry<float>& registry<float>();
template const Registry<double>& registry<double>();

namespace {

bool has(const std::vector<const char*>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// Says what of a description is not as the signature of the operation says.
[[gnu::cold]] void check_signature(const Description& d, const Signature& s) {
    require(d.inputs.size() >= s.least_inputs && d.inputs.size() <= s.most_inputs,
            d.kind + " has another number of inputs");
    for (const char* name : s.parameters) require(d.parameter(name).data != nullptr, d.kind + " needs " + name);
    for (const Parameter& p : d.parameters) {
        const bool of_runs = p.name == "factors" && !d.runs.empty();
        require(has(s.parameters, p.name) || has(s.fuses, p.name) || of_runs, d.kind + " takes no " + p.name);
        for (size_t n : p.shape)
            require(n > 0 && n < (size_t(1) << 31), d.kind + ": " + p.name + " has a size that is out of range");
    }
    for (const char* name : s.attributes) d.number(name);
    const Activation activation = activation_named(d.activation);
    require(activation == Activation::none || (has(s.fuses, "activation") && is_fusable(activation)),
            d.kind + " cannot include the activation " + d.activation);
}

}  // namespace

template <class T>
std::unique_ptr<Operation<T>> make_operation(const Description& d, std::vector<Value<T>>& values,
                                             const Updater<T>& updater) {
    const auto found = registry<T>().find(d.kind);
    require(found != registry<T>().end(), "there is no operation " + d.kind);
    const Entry<T>& entry = found->second;
    check_signature(d, entry.signature);
    const Value<T>& y = values[size_t(d.output)];
    require(d.channels > 0 && d.channels <= y.cols && y.cols % d.channels == 0, d.kind + ": the channels do not fit");
    for (int v : d.inputs)
        require(values[size_t(v)].is_index == entry.signature.reads_indices,
                "indices go into an operation that reads indices, and nothing else does");
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

template std::unique_ptr<Operation<float>> make_operation(const Description&, std::vector<Value<float>>&,
                                                          const Updater<float>&);
template std::unique_ptr<Operation<double>> make_operation(const Description&, std::vector<Value<double>>&,
                                                           const Updater<double>&);

}  // namespace pysmorch
