// The extension module.
#include "python/face.h"

#include "core/intervals.h"
#include "core/random.h"
#include "core/scaling.h"
#include "kernels/activations.h"
#include "kernels/amx.h"
#include "operations/registry.h"
#include "python/kernels.h"

namespace pysmorch {

namespace {

template <class Form> nb::tuple attributes_of(const Form& form) {
    nb::list names;
    for (auto [name, member] : form.attributes) names.append(name);
    return nb::tuple(names);
}

nb::list list_of(const std::vector<const char*>& names) {
    nb::list list;
    for (const char* name : names) list.append(name);
    return list;
}

template <class T> void expose(nb::module_& m, const char* name) {
    nb::class_<Face<T>>(m, name)
        .def(nb::init<nb::list, nb::list, std::vector<int>, nb::dict>(), nb::arg("values"), nb::arg("operations"),
             nb::arg("inputs"), nb::arg("loss"))
        // noconvert: the program writes into these very arrays, a converted copy would be lost.
        .def("train_with", &Face<T>::train_with, nb::arg("optimizer"), nb::arg("parameters").noconvert(),
             nb::arg("gradients").noconvert(), nb::arg("states").noconvert(), nb::arg("rate_factors").noconvert(),
             nb::arg("decay_factors").noconvert(), nb::arg("seed"), nb::arg("bf16"))
        .def("train", &Face<T>::train, nb::arg("data").noconvert(), nb::arg("labels").noconvert(),
             nb::arg("weights").none(), nb::arg("order").noconvert(), nb::arg("batch_size"), nb::arg("rates"),
             nb::arg("decays"), nb::arg("dropout_rates"), nb::arg("step"), nb::arg("optimizer_steps"),
             nb::arg("threads"), nb::arg("sums") = std::make_tuple(0.0, 0.0, 0.0))
        .def("sum_sizes", &Face<T>::sum_sizes)
        .def("hold_sums", &Face<T>::hold_sums, nb::arg("sums").noconvert(), nb::arg("wide_sums").noconvert(),
             nb::arg("progress").noconvert())
        .def("begin_shard", &Face<T>::begin_shard, nb::arg("data").noconvert(), nb::arg("labels").noconvert(),
             nb::arg("weights").none(), nb::arg("order").noconvert(), nb::arg("total"), nb::arg("first_row"),
             nb::arg("step"), nb::arg("dropout_rates"), nb::arg("threads"))
        .def("run_shard", &Face<T>::run_shard, nb::arg("threads"))
        .def("read_moments", &Face<T>::read_moments, nb::arg("moments").noconvert())
        .def("write_moments", &Face<T>::write_moments, nb::arg("moments").noconvert())
        .def("add_shard", &Face<T>::add_shard, nb::arg("first"), nb::arg("last"), nb::arg("resumes"),
             nb::arg("threads"))
        .def("apply_sums", &Face<T>::apply_sums, nb::arg("rate"), nb::arg("decay"), nb::arg("optimizer_steps"),
             nb::arg("keep"), nb::arg("adds"), nb::arg("resumes"), nb::arg("threads"))
        .def("train_epochs", &Face<T>::train_epochs, nb::arg("data").noconvert(), nb::arg("labels").noconvert(),
             nb::arg("weights").none(), nb::arg("order").noconvert(), nb::arg("shuffled"), nb::arg("batch_size"),
             nb::arg("rates"), nb::arg("decays"), nb::arg("dropout_rates"), nb::arg("epochs"), nb::arg("patience"),
             nb::arg("within"), nb::arg("optimizer_steps"), nb::arg("before").noconvert(), nb::arg("cancel").none(),
             nb::arg("threads"))
        .def("use_bf16", &Face<T>::use_bf16)
        .def("watch", &Face<T>::watch, nb::arg("watched"), nb::arg("shapes"), nb::arg("empty"), nb::arg("dtype"))
        .def("memory", &Face<T>::memory, nb::arg("batch_size"), nb::arg("threads"))
        .def("unchanged", &Face<T>::unchanged)
        .def("quick", &Face<T>::quick, nb::arg("X").none())
        .def("predict", &Face<T>::predict, nb::arg("data").noconvert(), nb::arg("out").noconvert(), nb::arg("threads"));
}

// What the registries say, which Python compares with its own declarations.
void expose_registries(nb::module_& m) {
    nb::dict operations;
    for (const auto& [name, entry] : registry<float>()) {
        const Signature& s = entry.signature;
        nb::dict taken;
        taken["inputs"] = nb::make_tuple(s.least_inputs, s.most_inputs);
        taken["parameters"] = list_of(s.parameters);
        taken["attributes"] = list_of(s.attributes);
        taken["fuses"] = list_of(s.fuses);
        taken["reads_indices"] = s.reads_indices;
        operations[name.c_str()] = taken;
    }
    m.attr("operations") = operations;
    nb::list fusable;
    for (int a = 1; a < NUM_ACTIVATIONS; ++a)
        if (is_fusable(static_cast<Activation>(a))) fusable.append(name_of(static_cast<Activation>(a)));
    m.attr("fusable_activations") = fusable;
    nb::dict losses, optimizers;  // by name: metric and attributes; attributes
    for (const LossForm& form : loss_forms()) losses[form.name] = nb::make_tuple(form.metric, attributes_of(form));
    for (const OptimizerForm& form : optimizer_forms()) optimizers[form.name] = attributes_of(form);
    m.attr("losses") = losses;
    m.attr("optimizers") = optimizers;
}

// Positions of the numbers of each row in intervals, written into the columns of `out` from `first` on.
void encode(Matrix<const double> numbers, Flat<const double> low, Flat<const double> high, Flat<const int64_t> owner,
            Matrix<float> out, size_t first, int threads) {
    const size_t rows = numbers.shape(0), columns = numbers.shape(1), count = owner.shape(0);
    require(aligned(low).shape(0) == count && aligned(high).shape(0) == count, "an interval needs both ends");
    require(aligned(out).shape(0) == rows && first <= out.shape(1) && count <= out.shape(1) - first,
            "the encoded rows have another size than the intervals need");
    aligned(numbers);
    for (size_t i = 0; i < count; ++i)
        require(aligned(owner).data()[i] >= 0 && size_t(owner.data()[i]) < columns, "an interval has no column");
    nb::gil_scoped_release release;
    encode_intervals(numbers.data(), rows, columns, {low.data(), high.data(), owner.data(), count}, out.data() + first,
                     out.shape(1), threads);
}

// Scaled numbers of each row, written into the first columns of `out`.
void scale(Matrix<const double> numbers, Flat<const double> lowest, Flat<const double> highest, Flat<const double> mean,
           Flat<const double> scale, Matrix<float> out) {
    const size_t rows = numbers.shape(0), columns = numbers.shape(1);
    for (const Flat<const double>* of_columns : {&lowest, &highest, &mean, &scale})
        require(aligned(*of_columns).shape(0) == columns, "the scaling is that of another number of columns");
    require(aligned(out).shape(0) == rows && columns <= out.shape(1),
            "the encoded rows have another size than the numbers need");
    aligned(numbers);
    nb::gil_scoped_release release;
    scale_numbers(numbers.data(), rows, columns, {lowest.data(), highest.data(), mean.data(), scale.data()}, out.data(),
                  out.shape(1));
}

std::string best_instructions() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        return std::string(__builtin_cpu_supports("avx512bf16") ? "avx512_bf16" : "avx512");
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return std::string("avx2");
#endif
    return std::string("base");
}

}  // namespace

}  // namespace pysmorch

using namespace pysmorch;

NB_MODULE(PYSMORCH_MODULE, m) {
    // Programs may live until the process ends, as after an interruption, and their users should not read of it.
    nb::set_leak_warnings(false);
    expose<float>(m, "Program32");
    expose<double>(m, "Program64");
    m.def("has_bf16", has_bf16);
    m.def(
        "permutation",
        [](uint64_t seed, uint64_t step, Flat<int64_t> order) {
            require(order.size() <= 0xFFFFFFFFu, "an order has at most 2^32 - 1 rows");
            aligned(order);
            nb::gil_scoped_release release;
            permutation(seed, step, order.size(), order.data());
        },
        nb::arg("seed"), nb::arg("step"), nb::arg("order").noconvert());
    m.def("encode_intervals", encode, nb::arg("numbers").noconvert(), nb::arg("low").noconvert(),
          nb::arg("high").noconvert(), nb::arg("owner").noconvert(), nb::arg("out").noconvert(), nb::arg("first"),
          nb::arg("threads"));
    m.def("scale_numbers", scale, nb::arg("numbers").noconvert(), nb::arg("lowest").noconvert(),
          nb::arg("highest").noconvert(), nb::arg("mean").noconvert(), nb::arg("scale").noconvert(),
          nb::arg("out").noconvert());
    expose_registries(m);
    expose_kernels(m);
#ifdef PYSMORCH_BF16
    m.def("has_matrix_unit", [] { return amx::usable(); });
    m.def(
        "allow",
        [](bool bf16, bool vnni, bool matrix_unit) {
            bf16::allowed.store(bf16);
            vnni::allowed.store(vnni);
            amx::allowed.store(matrix_unit);
        },
        nb::arg("bf16"), nb::arg("vnni"), nb::arg("matrix_unit"));
#endif
    m.def("best_instructions", best_instructions);
}
