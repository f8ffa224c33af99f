// The extension's face: checks what comes from Python, lets go of the interpreter, and calls.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <string>

#include "program.h"

namespace nb = nanobind;
using namespace pysmorch;

namespace {

template <class V> V get(const nb::dict& d, const char* name) {
    if (!d.contains(name)) throw nb::value_error((std::string("a description has no entry ") + name).c_str());
    return nb::cast<V>(d[name]);
}

void require(bool condition, const char* what) {
    if (!condition) throw nb::value_error(what);
}

template <class T> using Flat = nb::ndarray<T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Any = nb::ndarray<nb::numpy, nb::c_contig, nb::ro, nb::device::cpu>;

Rows rows_of(const Any& array) {
    Rows rows;
    require(array.ndim() >= 1, "an array of data needs an axis of rows");
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
    Face(nb::list values, nb::list ops, std::vector<int> inputs, nb::dict loss, nb::dict optimizer, Flat<T> parameters,
         Flat<T> gradients, std::vector<Flat<T>> states, nb::object rate_factors, nb::object decay_factors,
         std::vector<Flat<double>> running, uint64_t seed)
        : kept_(nb::make_tuple(parameters, gradients, nb::cast(states), rate_factors, decay_factors, nb::cast(running))) {
        Program<T>& p = program_;
        p.num_parameters = parameters.shape(0);
        require(gradients.shape(0) == p.num_parameters, "there must be as many gradients as parameters");
        p.parameters = parameters.data();
        p.gradients = gradients.data();
        for (const auto& s : states) require(s.shape(0) == p.num_parameters, "an optimizer's state must have the size of the parameters");
        p.state1 = states.size() > 0 ? states[0].data() : nullptr;
        p.state2 = states.size() > 1 ? states[1].data() : nullptr;
        factors(rate_factors, p.rate_factor, p.rate_factors);
        factors(decay_factors, p.decay_factor, p.decay_factors);
        require(running.size() % 2 == 0, "running statistics come in pairs");
        for (size_t i = 0; i < running.size(); i += 2) p.running.push_back({running[i].data(), running[i + 1].data()});
        p.seed = seed;
        for (nb::handle h : values) {
            const nb::dict d = nb::cast<nb::dict>(h);
            Value<T> v;
            v.cols = get<size_t>(d, "cols");
            v.needs_grad = get<bool>(d, "needs_grad");
            v.is_index = get<bool>(d, "is_index");
            require(v.cols < (size_t(1) << 31), "a row is too long");
            p.values.push_back(v);
        }
        std::vector<char> made(p.values.size(), 0);
        for (int v : inputs) {
            require(v >= 0 && size_t(v) < made.size(), "an input is not one of the values");
            made[v] = 1;
        }
        p.inputs = inputs;
        for (nb::handle h : ops) add_op(nb::cast<nb::dict>(h), made, running);
        p.loss.kind = static_cast<LossKind>(choice(get<int>(loss, "kind"), 8));
        p.loss.value = get<int>(loss, "value");
        require(p.loss.value >= 0 && size_t(p.loss.value) < made.size() && made[p.loss.value], "the loss has no input");
        p.loss.delta = get<double>(loss, "delta");
        p.loss.smoothing = get<double>(loss, "smoothing");
        p.loss.factors = get<std::vector<double>>(loss, "factors");
        require(p.loss.factors.empty() || p.loss.factors.size() == p.values[p.loss.value].cols, "the loss needs one factor for each output");
        require(p.loss.kind != LossKind::quantile || !p.loss.factors.empty(), "the quantile loss needs quantiles");
        p.optimizer.kind = static_cast<OptimizerKind>(choice(get<int>(optimizer, "kind"), 4));
        p.optimizer.momentum = get<double>(optimizer, "momentum");
        p.optimizer.nesterov = get<bool>(optimizer, "nesterov");
        p.optimizer.beta1 = get<double>(optimizer, "beta1");
        p.optimizer.beta2 = get<double>(optimizer, "beta2");
        p.optimizer.epsilon = get<double>(optimizer, "epsilon");
        p.optimizer.decay = get<double>(optimizer, "decay");
        p.optimizer.weight_decay = get<double>(optimizer, "weight_decay");
        p.optimizer.clip_norm = get<double>(optimizer, "clip_norm");
        const size_t needed = p.optimizer.kind == OptimizerKind::sgd ? (p.optimizer.momentum > 0 ? 1 : 0) : 2;
        require(states.size() == needed, "the optimizer has another number of states");
        p.prepare();
    }

    nb::dict train(std::vector<Any> data, Any labels, nb::object weights, Flat<const int64_t> order, size_t batch_size,
                   std::vector<double> rates, int64_t step, int64_t optimizer_steps, int threads) {
        Program<T>& p = program_;
        require(data.size() == p.inputs.size(), "there must be one array for each input");
        std::vector<Rows> rows;
        for (const Any& array : data) rows.push_back(rows_of(array));
        const Rows label_rows = rows_of(labels);
        const size_t count = label_rows.count;
        for (size_t i = 0; i < rows.size(); ++i) {
            const Value<T>& v = p.values[p.inputs[i]];
            require(rows[i].count == count, "data and labels must have as many rows");
            require(rows[i].cols == v.cols, "the rows of the data have another length than the program's");
            require(!v.is_index || rows[i].dtype == Dtype::i64, "indices must be int64");
        }
        const size_t outputs = p.values[p.loss.value].cols;
        if (p.loss.kind == LossKind::classes) require(label_rows.cols == 1 && label_rows.dtype == Dtype::i64, "classes must be int64 numbers");
        else require(label_rows.cols == outputs || (p.loss.kind == LossKind::quantile && label_rows.cols == 1), "labels have another length than outputs");
        const double* w = nullptr;
        if (!weights.is_none()) {
            const auto array = nb::cast<Flat<const double>>(weights);
            require(array.shape(0) == count, "there must be one weight for each row");
            w = array.data();
        }
        const size_t n = order.shape(0);
        require(batch_size > 0 && batch_size < (size_t(1) << 31), "the size of the batch is out of range");
        require(rates.size() == (n + batch_size - 1) / batch_size, "there must be one learning rate for each batch");
        for (size_t i = 0; i < n; ++i) require(order.data()[i] >= 0 && size_t(order.data()[i]) < count, "a row number is out of range");
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
            if (n > 0)
                result = p.train(rows, label_rows, w, order.data(), n, batch_size, rates.data(), rates.size(), step, optimizer_steps, threads, interrupted);
        }
        if (raised) throw nb::python_error();
        require(!result.bad_index, "an index or a class number is out of range");
        nb::dict out;
        out["loss"] = result.loss;
        out["metric"] = result.metric;
        out["weight"] = result.weight;
        out["rows"] = result.rows;
        out["steps"] = result.steps;
        out["failed_batch"] = result.failed_batch;
        return out;
    }

    Face(const Face&) = delete;
    Face& operator=(const Face&) = delete;

  private:
    static int choice(int value, int count) {
        require(value >= 0 && value < count, "a kind is not known");
        return value;
    }

    void factors(const nb::object& given, double& one, const T*& each) {
        if (nb::isinstance<nb::float_>(given)) {
            one = nb::cast<double>(given);
            return;
        }
        const auto array = nb::cast<Flat<T>>(given);
        require(array.shape(0) == program_.num_parameters, "there must be one factor for each parameter");
        each = array.data();
    }

    void add_op(const nb::dict& d, std::vector<char>& made, const std::vector<Flat<double>>& running) {
        Program<T>& p = program_;
        Op op;
        op.kind = static_cast<Kind>(choice(get<int>(d, "kind"), 11));
        op.inputs = get<std::vector<int>>(d, "inputs");
        op.output = get<int>(d, "output");
        op.weights = get<int64_t>(d, "weights");
        op.bias = get<int64_t>(d, "bias");
        op.D = get<size_t>(d, "D");
        op.K = get<size_t>(d, "K");
        op.activation = static_cast<Activation>(choice(get<int>(d, "activation"), 9));
        op.a = get<double>(d, "a");
        op.b = get<double>(d, "b");
        op.place = get<int64_t>(d, "place");
        op.state = get<int64_t>(d, "state");
        const size_t n = p.values.size();
        require(!op.inputs.empty(), "an operation needs an input");
        for (int v : op.inputs) require(v >= 0 && size_t(v) < n && made[v], "an operation comes before what it needs");
        require(op.output >= 0 && size_t(op.output) < n && !made[op.output], "an operation has no output of its own");
        made[op.output] = 1;
        const Value<T>&x = p.values[op.inputs[0]], &y = p.values[op.output];
        require(op.K > 0 && op.K < (size_t(1) << 31) && op.D < (size_t(1) << 31) && y.cols % op.K == 0, "sizes of an operation do not fit");
        for (int v : op.inputs) require(p.values[v].is_index == (op.kind == Kind::embedding), "indices go into embeddings, and nothing else does");
        size_t size = 0;
        switch (op.kind) {
            case Kind::dense:
                require(x.cols == op.D && y.cols == op.K, "sizes of a dense block do not fit");
                require(op.activation == Activation::none || op.activation == Activation::relu || op.activation == Activation::sigmoid ||
                            op.activation == Activation::tanh, "this activation cannot be part of a dense block");
                require(op.bias < 0 || size_t(op.bias) + op.K <= p.num_parameters, "the bias lies outside the parameters");
                size = op.D * op.K;
                break;
            case Kind::embedding:
                require(y.cols == x.cols * op.K, "sizes of an embedding do not fit");
                size = op.D * op.K;
                break;
            case Kind::bias:
            case Kind::scale: size = op.K; [[fallthrough]];
            case Kind::activation:
            case Kind::dropout:
            case Kind::layer_normalize: require(x.cols == y.cols, "input and output must have one length"); break;
            case Kind::normalize:
                require(x.cols == y.cols, "input and output must have one length");
                require(op.state >= 0 && size_t(op.state) < p.running.size(), "the running statistics are missing");
                for (size_t i : {size_t(op.state) * 2, size_t(op.state) * 2 + 1})
                    require(running[i].shape(0) == op.K, "the running statistics have another length");
                break;
            case Kind::add:
            case Kind::multiply:
                for (int v : op.inputs) require(p.values[v].cols == y.cols, "inputs and output must have one length");
                break;
            case Kind::concat: {
                const size_t groups = y.cols / op.K;
                size_t total = 0;
                for (int v : op.inputs) {
                    require(p.values[v].cols % groups == 0, "sizes of a concatenation do not fit");
                    total += p.values[v].cols;
                }
                require(total == y.cols, "sizes of a concatenation do not fit");
                break;
            }
        }
        if (size > 0) require(op.weights >= 0 && size_t(op.weights) + size <= p.num_parameters, "weights lie outside the parameters");
        else op.weights = -1;
        p.ops.push_back(std::move(op));
    }

    nb::tuple kept_;   // the arrays that the program points into
    Program<T> program_;
};

template <class T> void expose(nb::module_& m, const char* name) {
    nb::class_<Face<T>>(m, name)
        // noconvert: the program writes into these very arrays, a converted copy would be lost.
        .def(nb::init<nb::list, nb::list, std::vector<int>, nb::dict, nb::dict, Flat<T>, Flat<T>, std::vector<Flat<T>>, nb::object,
                      nb::object, std::vector<Flat<double>>, uint64_t>(),
             nb::arg("values"), nb::arg("ops"), nb::arg("inputs"), nb::arg("loss"), nb::arg("optimizer"),
             nb::arg("parameters").noconvert(), nb::arg("gradients").noconvert(), nb::arg("states").noconvert(),
             nb::arg("rate_factors").noconvert(), nb::arg("decay_factors").noconvert(), nb::arg("running").noconvert(), nb::arg("seed"))
        .def("train", &Face<T>::train, nb::arg("data").noconvert(), nb::arg("labels").noconvert(), nb::arg("weights").none(),
             nb::arg("order").noconvert(), nb::arg("batch_size"), nb::arg("rates"), nb::arg("step"), nb::arg("optimizer_steps"),
             nb::arg("threads"));
}

}  // namespace

NB_MODULE(PYSMORCH_MODULE, m) {
    expose<float>(m, "Program32");
    expose<double>(m, "Program64");
    m.def("best_instructions", [] {
#if defined(__x86_64__)
        __builtin_cpu_init();
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512vl"))
            return std::string("avx512");
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return std::string("avx2");
#endif
        return std::string("base");
    });
}
