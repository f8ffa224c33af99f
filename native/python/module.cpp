// The extension's face: checks what comes from Python, lets go of the interpreter, and calls.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <mutex>
#include <string>

#include "core/program.h"
#include "core/random.h"
#include "kernels/activations.h"
#include "kernels/amx.h"
#include "operations/registry.h"

namespace nb = nanobind;
using namespace pysmorch;

namespace {

#ifdef PYSMORCH_BF16
constexpr bool HAS_BF16 = true;
#else
constexpr bool HAS_BF16 = false;
#endif

template <class V> V as(nb::handle h, const char* name) {
    V value;
    if (!nb::try_cast<V>(h, value, false)) throw nb::type_error((std::string("a description has another type of ") + name).c_str());
    return value;
}
template <class V> V get(const nb::dict& d, const char* name) {
    if (!d.contains(name)) throw nb::value_error((std::string("a description has no entry ") + name).c_str());
    return as<V>(d[name], name);
}

template <class T> using Flat = nb::ndarray<T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T> using Matrix = nb::ndarray<T, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T> using Weights = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu>;
using Any = nb::ndarray<nb::numpy, nb::c_contig, nb::ro, nb::device::cpu>;

// Numbers lie where the processor expects those of their size.
template <class A> const A& aligned(const A& array) {
    require(reinterpret_cast<uintptr_t>(array.data()) % array.itemsize() == 0, "an array is not aligned");
    return array;
}

Rows rows_of(const Any& array) {
    Rows rows;
    require(array.ndim() >= 1, "an array of data needs an axis of rows");
    aligned(array);
    rows.data = array.data();
    rows.count = array.shape(0);
    rows.cols = 1;
    for (size_t i = 1; i < array.ndim(); ++i) rows.cols *= array.shape(i);
    const nb::dlpack::dtype t = array.dtype();
    if (t == nb::dtype<float>()) rows.dtype = Dtype::f32;
    else if (t == nb::dtype<double>()) rows.dtype = Dtype::f64;
    else if (t == nb::dtype<uint8_t>()) rows.dtype = Dtype::u8;
    else if (t == nb::dtype<int32_t>()) rows.dtype = Dtype::i32;
    else if (t == nb::dtype<int64_t>()) rows.dtype = Dtype::i64;
    else throw nb::type_error("data must be float32, float64, uint8, int32 or int64");
    return rows;
}

template <class T> class Face {
  public:
    Face(nb::list values, nb::list operations, std::vector<int> inputs, nb::dict loss)
        : operations_(operations) {
        Program<T>& p = program_;
        for (nb::handle h : values) {
            const nb::dict d = as<nb::dict>(h, "values");
            Value<T> v;
            v.shape = get<std::vector<size_t>>(d, "shape");
            v.cols = 1;
            for (size_t n : v.shape) {
                require(n < (size_t(1) << 31), "a row is too long");
                v.cols *= n;   // fewer than 2^31 numbers so far: no overflow
                require(v.cols < (size_t(1) << 31), "a row is too long");
            }
            v.needs_grad = get<bool>(d, "needs_grad");
            v.is_index = get<bool>(d, "is_index");
            p.values.push_back(v);
        }
        for (int v : inputs) made(v, "an input is not one of the values, or one of them twice");
        p.inputs = inputs;
        const LossForm& form = form_of(loss_forms(), loss);
        const nb::dict attributes = get<nb::dict>(loss, "attributes");
        p.loss.spec.kind = form.kind;
        p.loss.spec.value = get<int>(loss, "value");
        for (auto [name, member] : form.attributes) {
            if (member) p.loss.spec.*member = get<double>(attributes, name);
            else p.loss.spec.factors = get<std::vector<double>>(attributes, name);
        }
        require(p.loss.spec.delta >= 0, "delta must not be negative");
    }
    Face(const Face&) = delete;
    Face& operator=(const Face&) = delete;

    // Makes the program one that can be trained. Without it, it can only predict.
    void train_with(nb::dict optimizer, Flat<T> parameters, Flat<T> gradients, std::vector<Flat<T>> states, nb::object rate_factors,
                    nb::object decay_factors, uint64_t seed, bool bf16) {
        require(!prepared_, "the program is already in use");
        Updater<T> u;   // becomes the program's when nothing is wrong with it
        u.num_parameters = parameters.shape(0);
        aligned(parameters), aligned(gradients);
        require(gradients.shape(0) == u.num_parameters, "there must be as many gradients as parameters");
        for (const auto& s : states) require(aligned(s).shape(0) == u.num_parameters, "an optimizer's state must have the size of the parameters");
        const OptimizerForm& form = form_of(optimizer_forms(), optimizer);
        u.spec.kind = form.kind;
        for (auto [name, member] : form.attributes) u.spec.*member = get<double>(get<nb::dict>(optimizer, "attributes"), name);
        u.spec.weight_decay = get<double>(optimizer, "weight_decay");
        u.spec.clip_norm = get<double>(optimizer, "clip_norm");
        const size_t needed = u.spec.kind == OptimizerKind::sgd ? (u.spec.momentum > 0 ? 1 : 0) : 2;
        require(states.size() == needed, "the optimizer has another number of states");
        u.state1 = states.size() > 0 ? states[0].data() : nullptr;
        u.state2 = states.size() > 1 ? states[1].data() : nullptr;
        factors(rate_factors, u.num_parameters, u.rate_factor, u.rate_factors);
        factors(decay_factors, u.num_parameters, u.decay_factor, u.decay_factors);
        u.gradients = gradients.data();
        u.parameters = parameters.data();
        require(!bf16 || (HAS_BF16 && sizeof(T) == 4), "there are no products of bfloat16 here");
        program_.updater = u;
        program_.seed = seed;
        bf16_ = bf16;
        kept_ = nb::make_tuple(parameters, gradients, nb::cast(states), rate_factors, decay_factors);
    }

    // Makes products of bfloat16, in a program that only predicts.
    void use_bf16() {
        require(!prepared_ && !program_.updater.parameters, "the program is already in use");
        require(HAS_BF16 && sizeof(T) == 4, "there are no products of bfloat16 here");
        bf16_ = true;
    }

    nb::dict train(std::vector<Any> data, Any labels, nb::object weights, Flat<const int64_t> order, size_t batch_size,
                   std::vector<double> rates, int64_t step, int64_t optimizer_steps, int threads) {
        require(program_.updater.parameters, "this program can only predict");
        prepare();
        Program<T>& p = program_;
        Epoch epoch;
        epoch.data = rows_for(data);
        epoch.labels = rows_of(labels);
        const size_t count = epoch.labels.count;
        for (const Rows& rows : epoch.data) require(rows.count == count, "data and labels must have as many rows");
        const size_t outputs = p.values[size_t(p.loss.spec.value)].cols;
        if (p.loss.spec.kind == LossKind::classes)
            require(epoch.labels.cols == 1 && epoch.labels.dtype == Dtype::i64, "classes must be int64 numbers");
        else
            require(epoch.labels.cols == outputs || (p.loss.spec.kind == LossKind::quantile && epoch.labels.cols == 1),
                    "labels have another length than outputs");
        if (!weights.is_none()) {
            const auto array = as<Flat<const double>>(weights, "weights");   // itself, and no copy that would not outlive this block
            require(aligned(array).shape(0) == count, "there must be one weight for each row");
            epoch.weights = array.data();
        }
        epoch.order = aligned(order).data();
        epoch.num_rows = order.shape(0);
        require(batch_size > 0 && batch_size < (size_t(1) << 31), "the size of the batch is out of range");
        epoch.batch_size = batch_size;
        require(rates.size() == (epoch.num_rows + batch_size - 1) / batch_size, "there must be one learning rate for each batch");
        epoch.rates = std::move(rates);
        require(step >= 0 && optimizer_steps >= 0 && step < MOST_STEPS && optimizer_steps < MOST_STEPS, "the number of steps is out of range");
        epoch.first_step = step;
        epoch.optimizer_steps = optimizer_steps;
        for (size_t i = 0; i < epoch.num_rows; ++i)
            require(epoch.order[i] >= 0 && size_t(epoch.order[i]) < count, "a row number is out of range");
        require(threads >= 1 && threads <= 1024, "the number of threads is out of range");
        Result result;
        bool raised = false;
        auto last = std::chrono::steady_clock::now();
        auto interrupted = [&] {
            const auto now = std::chrono::steady_clock::now();
            if (now - last < std::chrono::milliseconds(200)) return false;
            last = now;
            nb::gil_scoped_acquire gil;
            raised = PyErr_CheckSignals() != 0;
            return raised;
        };
        {
            nb::gil_scoped_release release;
            std::lock_guard<std::mutex> lock(mutex_);
            if (epoch.num_rows > 0) result = p.train(epoch, threads, interrupted);
        }
        if (raised) throw nb::python_error();
        nb::dict out;
        out["loss"] = result.loss;
        out["metric"] = result.metric;
        out["weight"] = result.weight;
        out["rows"] = result.rows;
        out["steps"] = result.steps;
        out["failed_batch"] = result.failed_batch;
        return out;
    }

    bool predict(std::vector<Any> data, Matrix<T> out, int threads) {
        prepare();
        const std::vector<Rows> rows = rows_for(data);
        const size_t count = out.shape(0);
        for (const Rows& r : rows) require(r.count == count, "data and outputs must have as many rows");
        require(aligned(out).shape(1) == program_.values[size_t(program_.loss.spec.value)].cols, "outputs have another length than the program's");
        require(threads >= 1 && threads <= 1024, "the number of threads is out of range");
        nb::gil_scoped_release release;
        std::lock_guard<std::mutex> lock(mutex_);
        return count == 0 || program_.predict(rows, count, out.data(), threads);
    }

    size_t memory(size_t batch_size, int threads) {
        require(batch_size > 0 && batch_size < (size_t(1) << 31) && threads >= 1 && threads <= 1024, "the size of the batch or the number of threads is out of range");
        prepare();
        nb::gil_scoped_release release;   // whoever holds the lock may want the interpreter
        std::lock_guard<std::mutex> lock(mutex_);
        return program_.memory(batch_size, threads);
    }

    // What the program was made from: entries of dictionaries. With the shapes of a row of the only input and of the output
    // (none for other networks) and NumPy's function for new arrays, `quick` can do without Python.
    void watch(nb::list watched, std::vector<nb::tuple> shapes, nb::object empty, nb::object dtype) {
        nb::list entries;   // a list of our own, which nobody changes
        for (nb::handle h : watched) {
            const nb::tuple entry = as<nb::tuple>(h, "watched");
            require(entry.size() == 3 && PyDict_Check(entry[0].ptr()), "what is watched must be (dictionary, name, value)");
            entries.append(entry);
        }
        prepare();
        const Program<T>& p = program_;
        std::vector<std::vector<Py_ssize_t>> sizes;
        for (const nb::tuple& shape : shapes) {
            sizes.emplace_back();
            for (nb::handle n : shape) sizes.back().push_back(as<Py_ssize_t>(n, "shapes"));
        }
        require(sizes.empty() || (sizes.size() == 2 && p.inputs.size() == 1 && !p.values[size_t(p.inputs[0])].is_index &&
                                  is_shape_of(sizes[0], p.inputs[0]) && is_shape_of(sizes[1], p.loss.spec.value)),
                "the shapes are not those of the only input and of the output");
        watched_ = entries;
        empty_ = empty;
        dtype_ = dtype;
        shapes_ = sizes;
    }

    bool unchanged() const {
        for (Py_ssize_t i = 0, n = PyList_GET_SIZE(watched_.ptr()); i < n; ++i) {
            PyObject* entry = PyList_GET_ITEM(watched_.ptr(), i);
            if (PyDict_GetItemWithError(PyTuple_GET_ITEM(entry, 0), PyTuple_GET_ITEM(entry, 1)) != PyTuple_GET_ITEM(entry, 2)) {
                PyErr_Clear();
                return false;
            }
        }
        return true;
    }

    // The outputs for a few rows in one array of the program's number type; None where there is more to do, or anything is wrong.
    nb::object quick(nb::handle X) {
        if (shapes_.size() != 2 || !unchanged()) return nb::none();
        const View in(X.ptr(), PyBUF_ND | PyBUF_FORMAT);
        const std::vector<Py_ssize_t>&row = shapes_[0], &result = shapes_[1];
        if (!in.held || in.buffer.ndim != int(row.size()) + 1 || !in.template is<T>() || !std::equal(row.begin(), row.end(), in.buffer.shape + 1)) return nb::none();
        const size_t count = size_t(in.buffer.shape[0]);
        if (count == 0 || program_.predict_work(count) > QUICK) return nb::none();
        const T* numbers = static_cast<const T*>(in.buffer.buf);
        PyObject* shape = PyTuple_New(Py_ssize_t(result.size()) + 1);
        if (!shape) throw nb::python_error();
        PyTuple_SET_ITEM(shape, 0, PyLong_FromSize_t(count));
        for (size_t i = 0; i < result.size(); ++i) PyTuple_SET_ITEM(shape, Py_ssize_t(i) + 1, PyLong_FromSsize_t(result[i]));
        PyObject* arguments[] = {shape, dtype_.ptr()};
        nb::object out = nb::steal(PyObject_Vectorcall(empty_.ptr(), arguments, 2, nullptr));
        Py_DECREF(shape);
        if (!out.is_valid()) throw nb::python_error();
        const View to(out.ptr(), PyBUF_ND | PyBUF_FORMAT | PyBUF_WRITABLE);
        const size_t outputs = program_.values[size_t(program_.loss.spec.value)].cols;
        if (!to.held || !to.template is<T>() || size_t(to.buffer.len) != count * outputs * sizeof(T)) return nb::none();
        // So little work is done without letting go of the interpreter; whoever predicts without it holds the lock.
        std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
        if (!lock.owns_lock()) return nb::none();
        const Rows rows{numbers, sizeof(T) == 4 ? Dtype::f32 : Dtype::f64, count, program_.values[size_t(program_.inputs[0])].cols};
        one_[0] = rows;
        return program_.predict(one_, count, static_cast<T*>(to.buffer.buf), 1) ? out : nb::none();
    }

  private:
    static constexpr double QUICK = 2e5;   // operations: some microseconds
    static constexpr int64_t MOST_STEPS = int64_t(1) << 62;

    struct View {
        Py_buffer buffer;
        bool held;
        View(PyObject* object, int flags) : held(PyObject_CheckBuffer(object) && PyObject_GetBuffer(object, &buffer, flags | PyBUF_C_CONTIGUOUS) == 0) {
            if (!held) PyErr_Clear();
        }
        ~View() { if (held) PyBuffer_Release(&buffer); }
        View(const View&) = delete;
        View& operator=(const View&) = delete;
        template <class N> bool is() const {
            return buffer.format && buffer.format[0] == (sizeof(N) == 4 ? 'f' : 'd') && buffer.format[1] == 0 &&
                   reinterpret_cast<uintptr_t>(buffer.buf) % alignof(N) == 0;
        }
    };

    // The form of a loss or an optimizer by its name; the description has to have exactly the attributes that it reads.
    template <class Form> static const Form& form_of(const std::vector<Form>& forms, const nb::dict& description) {
        const std::string name = get<std::string>(description, "kind");
        for (const Form& form : forms) {
            if (name != form.name) continue;
            const nb::dict attributes = get<nb::dict>(description, "attributes");
            bool same = attributes.size() == form.attributes.size();
            for (auto [attribute, member] : form.attributes) same &= attributes.contains(attribute);
            require(same, "a loss or an optimizer has other attributes than its native form");
            return form;
        }
        throw nb::value_error(("there is no native form of the name " + name).c_str());
    }

    void made(int v, const char* otherwise) {
        made_.resize(program_.values.size());
        require(v >= 0 && size_t(v) < made_.size() && !made_[size_t(v)], otherwise);
        made_[size_t(v)] = 1;
    }

    static void factors(const nb::object& given, size_t num_parameters, double& one, const T*& each) {
        if (nb::isinstance<nb::float_>(given)) {
            one = nb::cast<double>(given);
            return;
        }
        const auto array = as<Flat<T>>(given, "factors");
        require(aligned(array).shape(0) == num_parameters, "there must be one factor for each parameter");
        each = array.data();
    }

    bool is_shape_of(const std::vector<Py_ssize_t>& shape, int value) const {
        size_t size = 1;
        for (Py_ssize_t n : shape) {
            if (n <= 0 || n >= Py_ssize_t(1) << 31) return false;
            size *= size_t(n);
            if (size > program_.values[size_t(value)].cols) return false;
        }
        return size == program_.values[size_t(value)].cols;
    }

    std::vector<Rows> rows_for(const std::vector<Any>& data) const {
        require(data.size() == program_.inputs.size(), "there must be one array for each input");
        std::vector<Rows> rows;
        for (size_t i = 0; i < data.size(); ++i) {
            rows.push_back(rows_of(data[i]));
            const Value<T>& v = program_.values[size_t(program_.inputs[i])];
            require(rows[i].cols == v.cols, "the rows of the data have another length than the program's");
            require(!v.is_index || rows[i].dtype == Dtype::i64, "indices must be int64");
        }
        return rows;
    }

    void prepare() {
        if (prepared_) return;
        Program<T>& p = program_;
        for (nb::handle h : operations_) {
            const Description d = describe(as<nb::dict>(h, "operations"));
            p.operations.push_back(make_operation<T>(d, p.values, p.updater));
            p.outputs.push_back(d.output);
        }
        const LossSpec& loss = p.loss.spec;
        require(loss.value >= 0 && size_t(loss.value) < made_.size() && made_[size_t(loss.value)] && !p.values[size_t(loss.value)].is_index,
                "the loss has no input");
        require(p.values[size_t(loss.value)].cols > 0, "the loss has no outputs");
        require(loss.factors.empty() || loss.factors.size() == p.values[size_t(loss.value)].cols, "the loss needs one factor for each output");
        require(loss.kind != LossKind::quantile || !loss.factors.empty(), "the quantile loss needs quantiles");
        p.prepare();
        prepared_ = true;
    }

    Description describe(const nb::dict& d) {
        Description o;
        o.kind = get<std::string>(d, "kind");
        o.activation = get<std::string>(d, "activation");
        o.inputs = get<std::vector<int>>(d, "inputs");
        o.output = get<int>(d, "output");
        o.place = get<int>(d, "place");
        o.channels = get<size_t>(d, "channels");
        o.bf16 = bf16_;
        for (int v : o.inputs)
            require(v >= 0 && size_t(v) < made_.size() && made_[size_t(v)], "an operation comes before what it needs");
        made(o.output, "an operation has no output of its own");
        for (auto [name, given] : get<nb::dict>(d, "parameters")) {
            const auto array = as<Weights<const T>>(given, "parameters");
            Parameter p;
            p.name = as<std::string>(name, "parameters");
            p.data = own(array);
            for (size_t i = 0; i < array.ndim(); ++i) p.shape.push_back(array.shape(i));
            p.size = array.size();
            o.parameters.push_back(p);
            arrays_.append(given);
        }
        // Otherwise somebody would look for gradients where there is no room for any.
        bool needs_grad = !o.parameters.empty();
        for (int v : o.inputs) needs_grad |= program_.values[size_t(v)].needs_grad;
        require(!needs_grad || program_.values[size_t(o.output)].needs_grad, "an operation that hands gradients back needs one for its output");
        for (auto [name, value] : get<nb::dict>(d, "numbers")) o.numbers[as<std::string>(name, "numbers")] = as<double>(value, "numbers");
        for (nb::handle h : get<nb::list>(d, "states")) {
            if (program_.updater.parameters) {
                const auto state = aligned(as<Flat<double>>(h, "states"));
                o.states.push_back({state.data(), state.size()});
            } else {   // prediction only reads them
                const auto state = aligned(as<Flat<const double>>(h, "states"));
                o.states.push_back({const_cast<double*>(state.data()), state.size()});
            }
            arrays_.append(h);
        }
        return o;
    }
    const T* own(const Weights<const T>& array) {
        const Updater<T>& u = program_.updater;
        const T *begin = aligned(array).data(), *end = begin + array.size();
        if (u.parameters) {
            require(begin >= u.parameters && end <= u.parameters + u.num_parameters, "weights lie outside the parameters");
            for (const auto& [first, last] : taken_) require(end <= first || begin >= last, "two operations have the same weights");
            taken_.push_back({begin, end});
        }
        return begin;
    }

    nb::list operations_;   // their descriptions
    nb::list arrays_;       // those of them that the program points into, whatever becomes of the descriptions
    nb::object kept_;       // the other such arrays
    std::vector<std::pair<const T*, const T*>> taken_;   // parameters that are weights of an operation
    nb::list watched_;
    nb::object empty_, dtype_;
    std::vector<std::vector<Py_ssize_t>> shapes_;
    std::vector<Rows> one_{1};
    std::mutex mutex_;
    std::vector<char> made_;
    bool prepared_ = false, bf16_ = false;
    Program<T> program_;
};

template <class Form> nb::tuple attributes_of(const Form& form) {
    nb::list names;
    for (auto [name, member] : form.attributes) names.append(name);
    return nb::tuple(names);
}

template <class T> void expose(nb::module_& m, const char* name) {
    nb::class_<Face<T>>(m, name)
        .def(nb::init<nb::list, nb::list, std::vector<int>, nb::dict>(), nb::arg("values"), nb::arg("operations"), nb::arg("inputs"), nb::arg("loss"))
        // noconvert: the program writes into these very arrays, a converted copy would be lost.
        .def("train_with", &Face<T>::train_with, nb::arg("optimizer"), nb::arg("parameters").noconvert(), nb::arg("gradients").noconvert(),
             nb::arg("states").noconvert(), nb::arg("rate_factors").noconvert(), nb::arg("decay_factors").noconvert(), nb::arg("seed"), nb::arg("bf16"))
        .def("train", &Face<T>::train, nb::arg("data").noconvert(), nb::arg("labels").noconvert(), nb::arg("weights").none(),
             nb::arg("order").noconvert(), nb::arg("batch_size"), nb::arg("rates"), nb::arg("step"), nb::arg("optimizer_steps"),
             nb::arg("threads"))
        .def("use_bf16", &Face<T>::use_bf16)
        .def("watch", &Face<T>::watch, nb::arg("watched"), nb::arg("shapes"), nb::arg("empty"), nb::arg("dtype"))
        .def("memory", &Face<T>::memory, nb::arg("batch_size"), nb::arg("threads"))
        .def("unchanged", &Face<T>::unchanged)
        .def("quick", &Face<T>::quick, nb::arg("X").none())
        .def("predict", &Face<T>::predict, nb::arg("data").noconvert(), nb::arg("out").noconvert(), nb::arg("threads"));
}

}  // namespace

NB_MODULE(PYSMORCH_MODULE, m) {
    expose<float>(m, "Program32");
    expose<double>(m, "Program64");
    m.attr("has_bf16") = HAS_BF16;
    m.def("permutation", [](uint64_t seed, uint64_t step, Flat<int64_t> order) {
        require(order.size() <= 0xFFFFFFFFu, "an order has at most 2^32 - 1 rows");
        aligned(order);
        nb::gil_scoped_release release;
        permutation(seed, step, order.size(), order.data());
    }, nb::arg("seed"), nb::arg("step"), nb::arg("order").noconvert());
    nb::dict operations;
    for (const auto& [name, entry] : registry<float>()) {
        const Signature& s = entry.signature;
        nb::dict taken;
        taken["inputs"] = nb::make_tuple(s.least_inputs, s.most_inputs);
        taken["parameters"] = s.parameters;
        taken["attributes"] = s.attributes;
        taken["fuses"] = s.fuses;
        taken["reads_indices"] = s.reads_indices;
        operations[name.c_str()] = taken;
    }
    m.attr("operations") = operations;
    nb::list fusable;
    for (int a = 1; a < NUM_ACTIVATIONS; ++a)
        if (is_fusable(static_cast<Activation>(a))) fusable.append(name_of(static_cast<Activation>(a)));
    m.attr("fusable_activations") = fusable;
    nb::dict losses, optimizers;   // by name: metric and attributes; attributes
    for (const LossForm& form : loss_forms()) losses[form.name] = nb::make_tuple(form.metric, attributes_of(form));
    for (const OptimizerForm& form : optimizer_forms()) optimizers[form.name] = attributes_of(form);
    m.attr("losses") = losses;
    m.attr("optimizers") = optimizers;
#ifdef PYSMORCH_BF16
    m.def("has_matrix_unit", [] { return amx::usable(); });
    m.def("allow_matrix_unit", [](bool allowed) { amx::allowed.store(allowed); }, nb::arg("allowed"));
#endif
    m.def("best_instructions", [] {
#if defined(__x86_64__)
        __builtin_cpu_init();
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512vl"))
            return std::string(__builtin_cpu_supports("avx512bf16") ? "avx512_bf16" : "avx512");
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return std::string("avx2");
#endif
        return std::string("base");
    });
}
