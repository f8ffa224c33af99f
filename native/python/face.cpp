#include "python/face.h"

#include "operations/registry.h"
#include "python/interrupted.h"

namespace pysmorch {

namespace {

// Calls a function of Python with views of the arrays, which it must not hold on to.
OwnPass own_pass(nb::object function) {
    return [function](bool backward, const void* from, void* to, size_t rows, size_t from_bytes, size_t to_bytes) {
        nb::gil_scoped_acquire gil;
        auto* source = static_cast<char*>(const_cast<void*>(from));
        const auto given = nb::steal(PyMemoryView_FromMemory(source, static_cast<Py_ssize_t>(from_bytes), PyBUF_READ));
        const auto wanted =
            nb::steal(PyMemoryView_FromMemory(static_cast<char*>(to), static_cast<Py_ssize_t>(to_bytes), PyBUF_WRITE));
        if (!given.is_valid() || !wanted.is_valid()) throw nb::python_error();
        function(backward, given, wanted, rows);
    };
}

// The buffer of an array, if it is contiguous.
struct View {
    Py_buffer buffer;
    bool held;
    View(PyObject* object, int flags)
        : held(PyObject_CheckBuffer(object) && PyObject_GetBuffer(object, &buffer, flags | PyBUF_C_CONTIGUOUS) == 0) {
        if (!held) PyErr_Clear();
    }
    ~View() {
        if (held) PyBuffer_Release(&buffer);
    }
    View(const View&) = delete;
    View& operator=(const View&) = delete;
    template <class N> bool is() const {
        return buffer.format && buffer.format[0] == (sizeof(N) == 4 ? 'f' : 'd') && buffer.format[1] == 0 &&
               reinterpret_cast<uintptr_t>(buffer.buf) % alignof(N) == 0;
    }
};

}  // namespace

template <class T>
Face<T>::Face(nb::list values, nb::list operations, std::vector<int> inputs, nb::dict loss) : operations_(operations) {
    for (nb::handle h : values) add_value(as<nb::dict>(h, "values"));
    for (int v : inputs) made(v, "an input is not one of the values, or one of them twice");
    program_.inputs = inputs;
    set_loss(loss);
}

template <class T> void Face<T>::add_value(const nb::dict& d) {
    Value<T> v;
    v.shape = get<std::vector<size_t>>(d, "shape");
    v.cols = 1;
    for (size_t n : v.shape) {
        require(n < (size_t(1) << 31), "a row is too long");
        v.cols *= n;  // fewer than 2^31 elements so far: no overflow
        require(v.cols < (size_t(1) << 31), "a row is too long");
    }
    v.needs_grad = get<bool>(d, "needs_grad");
    v.is_index = get<bool>(d, "is_index");
    program_.values.push_back(v);
}

template <class T> void Face<T>::set_loss(const nb::dict& loss) {
    LossSpec& spec = program_.loss.spec;
    const LossForm& form = form_of(loss_forms(), loss);
    const nb::dict attributes = get<nb::dict>(loss, "attributes");
    spec.kind = form.kind;
    spec.value = get<int>(loss, "value");
    for (auto [name, member] : form.attributes) {
        if (member) spec.*member = get<double>(attributes, name);
        else spec.factors = get<std::vector<double>>(attributes, name);
    }
    require(spec.delta >= 0, "delta must not be negative");
}

template <class T>
void Face<T>::train_with(nb::dict optimizer, Flat<T> parameters, Flat<T> gradients, std::vector<Flat<T>> states,
                         nb::object rate_factors, nb::object decay_factors, uint64_t seed, bool bf16) {
    require(!prepared_, "the program is already in use");
    Updater<T> u;  // becomes the program's when nothing is wrong with it
    u.num_parameters = parameters.shape(0);
    aligned(parameters), aligned(gradients);
    require(gradients.shape(0) == u.num_parameters, "there must be as many gradients as parameters");
    for (const auto& s : states)
        require(aligned(s).shape(0) == u.num_parameters, "an optimizer's state must have the size of the parameters");
    const OptimizerForm& form = form_of(optimizer_forms(), optimizer);
    u.spec.kind = form.kind;
    for (auto [name, member] : form.attributes)
        u.spec.*member = get<double>(get<nb::dict>(optimizer, "attributes"), name);
    u.spec.clip_norm = get<double>(optimizer, "clip_norm");
    const size_t needed = num_states(u.spec);
    require(states.size() == needed, "the optimizer has another number of states");
    u.state1 = states.size() > 0 ? states[0].data() : nullptr;
    u.state2 = states.size() > 1 ? states[1].data() : nullptr;
    factors(rate_factors, u.num_parameters, u.rate_factor, u.rate_factors);
    factors(decay_factors, u.num_parameters, u.decay_factor, u.decay_factors);
    u.gradients = gradients.data();
    u.parameters = parameters.data();
    require(!bf16 || (has_bf16() && sizeof(T) == 4), "there are no products of bfloat16 here");
    program_.updater = u;
    program_.seed = seed;
    bf16_ = bf16;
    referenced_ = nb::make_tuple(parameters, gradients, nb::cast(states), rate_factors, decay_factors);
}

template <class T> void Face<T>::use_bf16() {
    require(!prepared_ && !program_.updater.parameters, "the program is already in use");
    require(has_bf16() && sizeof(T) == 4, "there are no products of bfloat16 here");
    bf16_ = true;
}

template <class T> void Face<T>::made(int v, const char* otherwise) {
    made_.resize(program_.values.size());
    require(v >= 0 && size_t(v) < made_.size() && !made_[size_t(v)], otherwise);
    made_[size_t(v)] = 1;
}

template <class T> void Face<T>::factors(const nb::object& given, size_t num_parameters, double& one, const T*& each) {
    if (nb::isinstance<nb::float_>(given)) {
        one = nb::cast<double>(given);
        return;
    }
    const auto array = as<Flat<T>>(given, "factors");
    require(aligned(array).shape(0) == num_parameters, "there must be one factor for each parameter");
    each = array.data();
}

template <class T> void Face<T>::prepare() {
    if (prepared_) return;
    Program<T>& p = program_;
    for (nb::handle h : operations_) {
        const Description d = describe(as<nb::dict>(h, "operations"));
        p.operations.push_back(make_operation<T>(d, p.values, p.updater));
        p.outputs.push_back(d.output);
    }
    const LossSpec& loss = p.loss.spec;
    require(loss.value >= 0 && size_t(loss.value) < made_.size() && made_[size_t(loss.value)] &&
                !p.values[size_t(loss.value)].is_index,
            "the loss has no input");
    require(p.values[size_t(loss.value)].cols > 0, "the loss has no outputs");
    require(loss.factors.empty() || loss.factors.size() == p.values[size_t(loss.value)].cols,
            "the loss needs one factor for each output");
    require(loss.kind != LossKind::quantile || !loss.factors.empty(), "the quantile loss needs quantiles");
    p.prepare();
    prepared_ = true;
}

template <class T> Description Face<T>::describe(const nb::dict& d) {
    Description o;
    o.kind = get<std::string>(d, "kind");
    o.activation = get<std::string>(d, "activation");
    o.inputs = get<std::vector<int>>(d, "inputs");
    o.output = get<int>(d, "output");
    o.stream = get<int>(d, "stream");
    o.channels = get<size_t>(d, "channels");
    o.bf16 = bf16_;
    for (int v : o.inputs)
        require(v >= 0 && size_t(v) < made_.size() && made_[size_t(v)], "an operation comes before what it needs");
    made(o.output, "an operation has no output of its own");
    for (auto [name, given] : get<nb::dict>(d, "parameters")) {
        Parameter p;
        p.name = as<std::string>(name, "parameters");
        const auto take = [&](const auto& array, const void* data) {
            p.data = data;
            for (size_t i = 0; i < array.ndim(); ++i) p.shape.push_back(array.shape(i));
            p.size = array.size();
        };
        Weights<const int8_t> integers;
        p.integers = nb::try_cast(given, integers, false);
        if (p.integers) {
            take(integers, integers.data());
        } else {
            const auto array = as<Weights<const T>>(given, "parameters");
            take(array, own(array));
        }
        o.parameters.push_back(p);
        arrays_.append(given);
    }
    // Otherwise somebody would look for gradients where there is no room for any.
    bool needs_grad = !o.parameters.empty();
    for (int v : o.inputs) needs_grad |= program_.values[size_t(v)].needs_grad;
    require(!needs_grad || program_.values[size_t(o.output)].needs_grad,
            "an operation that computes gradients of its inputs needs one for its output");
    for (auto [name, value] : get<nb::dict>(d, "numbers"))
        o.numbers[as<std::string>(name, "numbers")] = as<double>(value, "numbers");
    describe_states(d, o);
    if (d.contains("runs")) o.runs = get<std::vector<size_t>>(d, "runs");
    if (d.contains("own")) o.own = own_pass(d["own"]);
    return o;
}

template <class T> void Face<T>::describe_states(const nb::dict& d, Description& o) {
    for (nb::handle h : get<nb::list>(d, "states")) {
        if (program_.updater.parameters) {
            const auto state = aligned(as<Flat<double>>(h, "states"));
            o.states.push_back({state.data(), state.size()});
            program_.states.push_back(o.states.back());
        } else {  // prediction only reads them
            const auto state = aligned(as<Flat<const double>>(h, "states"));
            o.states.push_back({const_cast<double*>(state.data()), state.size()});
        }
        arrays_.append(h);
    }
}

template <class T> const T* Face<T>::own(const Weights<const T>& array) {
    const Updater<T>& u = program_.updater;
    const T *begin = aligned(array).data(), *end = begin + array.size();
    if (u.parameters) {
        require(begin >= u.parameters && end <= u.parameters + u.num_parameters, "weights lie outside the parameters");
        for (const auto& [first, last] : weight_ranges_)
            require(end <= first || begin >= last, "two operations have the same weights");
        weight_ranges_.push_back({begin, end});
    }
    return begin;
}

template <class T>
nb::dict Face<T>::train(std::vector<Any> data, Any labels, nb::object weights, Flat<const int64_t> order,
                        size_t batch_size, std::vector<double> rates, std::vector<double> decays,
                        std::vector<DropoutRates> dropout_rates, int64_t step, int64_t optimizer_steps, int threads,
                        std::tuple<double, double, double> sums) {
    require(program_.updater.parameters, "this program can only predict");
    prepare();
    Epoch epoch = epoch_of(data, labels, weights, order, batch_size, std::move(rates), step, optimizer_steps);
    check_rates(decays, dropout_rates, epoch.rates.size());
    epoch.decays = std::move(decays);
    epoch.dropout_rates = std::move(dropout_rates);
    std::tie(epoch.so_far.loss, epoch.so_far.metric, epoch.so_far.weight) = sums;
    require(threads >= 1 && threads <= 1024, "the number of threads is out of range");
    Result result;
    Interrupted interrupted;
    shard_ = Shard::none;
    {
        nb::gil_scoped_release release;
        const auto lock = locked();
        if (epoch.num_rows > 0) result = program_.train(epoch, threads, std::ref(interrupted));
    }
    nb::dict out;
    if (interrupted.raised) {  // whoever called has to know how many steps were taken, before it raises the exception
        nb::python_error error;
        out["raised"] = error.value();
    }
    out["loss"] = result.loss;
    out["metric"] = result.metric;
    out["weight"] = result.weight;
    out["rows"] = result.rows;
    out["steps"] = result.steps;
    out["failed_batch"] = result.failed_batch;
    return out;
}

template <class T>
void Face<T>::check_rates(const std::vector<double>& decays, const std::vector<DropoutRates>& dropout_rates,
                          size_t num_batches) {
    require(decays.size() == num_batches, "there must be one weight decay for each batch");
    check_dropout(dropout_rates, num_batches);
}

template <class T>
Epoch Face<T>::epoch_of(const std::vector<Any>& data, const Any& labels, const nb::object& weights,
                        const Flat<const int64_t>& order, size_t batch_size, std::vector<double> rates, int64_t step,
                        int64_t optimizer_steps) const {
    Epoch epoch;
    epoch.data = rows_for(data);
    epoch.labels = rows_of(labels);
    const size_t count = epoch.labels.count;
    for (const Rows& rows : epoch.data) require(rows.count == count, "data and labels must have as many rows");
    check_labels(epoch.labels);
    if (!weights.is_none()) {
        const auto array =
            as<Flat<const double>>(weights, "weights");  // itself, and no copy that would not outlive this block
        require(aligned(array).shape(0) == count, "there must be one weight for each row");
        epoch.weights = array.data();
    }
    epoch.order.assign(aligned(order).data(), order.data() + order.shape(0));
    epoch.num_rows = epoch.order.size();
    require(batch_size > 0 && batch_size < (size_t(1) << 31), "the size of the batch is out of range");
    epoch.batch_size = batch_size;
    require(rates.size() == (epoch.num_rows + batch_size - 1) / batch_size,
            "there must be one learning rate for each batch");
    epoch.rates = std::move(rates);
    require(step >= 0 && optimizer_steps >= 0 && step < MOST_STEPS && optimizer_steps < MOST_STEPS,
            "the number of steps is out of range");
    epoch.first_step = step;
    epoch.optimizer_steps = optimizer_steps;
    for (size_t i = 0; i < epoch.num_rows; ++i)
        require(epoch.order[i] >= 0 && size_t(epoch.order[i]) < count, "a row number is out of range");
    return epoch;
}

template <class T> void Face<T>::check_dropout(const std::vector<DropoutRates>& dropout_rates, size_t batches) {
    for (const auto& [stream, of_stream] : dropout_rates) {
        require(of_stream.size() == batches, "there must be one dropout rate for each batch");
        for (const double rate : of_stream) require(rate >= 0 && rate < 1, "a dropout rate is out of range");
    }
}

template <class T> void Face<T>::check_labels(const Rows& labels) const {
    const LossKind kind = program_.loss.spec.kind;
    if (kind == LossKind::classes)
        require(labels.cols == 1 && labels.dtype == Dtype::i64, "classes must be int64 numbers");
    else
        require(labels.cols == output().cols || (kind == LossKind::quantile && labels.cols == 1),
                "labels have another length than outputs");
}

template <class T> std::vector<Rows> Face<T>::rows_for(const std::vector<Any>& data) const {
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

template <class T> bool Face<T>::predict(std::vector<Any> data, Matrix<T> out, int threads) {
    prepare();
    const std::vector<Rows> rows = rows_for(data);
    const size_t count = out.shape(0);
    for (const Rows& r : rows) require(r.count == count, "data and outputs must have as many rows");
    require(aligned(out).shape(1) == output().cols, "outputs have another length than the program's");
    require(threads >= 1 && threads <= 1024, "the number of threads is out of range");
    bool finite = true;
    Interrupted interrupted;
    {
        nb::gil_scoped_release release;
        const auto lock = locked();
        if (count > 0) finite = program_.predict(rows, count, out.data(), threads, std::ref(interrupted));
    }
    if (interrupted.raised) throw nb::python_error();
    return finite;
}

// The program for this call alone. Whoever waits for another thread answers signals.
template <class T> std::unique_lock<std::timed_mutex> Face<T>::locked() {
    std::unique_lock<std::timed_mutex> lock(mutex_, std::defer_lock);
    while (!lock.try_lock_for(BETWEEN_SIGNALS)) {
        nb::gil_scoped_acquire gil;
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
    }
    return lock;
}

template <class T> size_t Face<T>::memory(size_t batch_size, int threads) {
    require(batch_size > 0 && batch_size < (size_t(1) << 31) && threads >= 1 && threads <= 1024,
            "the size of the batch or the number of threads is out of range");
    prepare();
    nb::gil_scoped_release release;  // whoever holds the lock may want the interpreter
    const auto lock = locked();
    return program_.memory(batch_size, threads);
}

template <class T>
void Face<T>::watch(nb::list watched, std::vector<nb::tuple> shapes, nb::object empty, nb::object dtype) {
    nb::list entries;  // a list of our own, which nobody changes
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

template <class T> bool Face<T>::is_shape_of(const std::vector<Py_ssize_t>& shape, int value) const {
    size_t size = 1;
    for (Py_ssize_t n : shape) {
        if (n <= 0 || n >= Py_ssize_t(1) << 31) return false;
        size *= size_t(n);
        if (size > program_.values[size_t(value)].cols) return false;
    }
    return size == program_.values[size_t(value)].cols;
}

template <class T> bool Face<T>::unchanged() const {
    for (Py_ssize_t i = 0, n = PyList_Size(watched_.ptr()); i < n; ++i) {
        PyObject* entry = PyList_GetItem(watched_.ptr(), i);
        if (PyDict_GetItemWithError(PyTuple_GetItem(entry, 0), PyTuple_GetItem(entry, 1)) !=
            PyTuple_GetItem(entry, 2)) {
            PyErr_Clear();
            return false;
        }
    }
    return true;
}

template <class T> nb::object Face<T>::quick(nb::handle X) {
    if (shapes_.size() != 2 || !unchanged()) return nb::none();
    const View in(X.ptr(), PyBUF_ND | PyBUF_FORMAT);
    const std::vector<Py_ssize_t>& row = shapes_[0];
    if (!in.held || in.buffer.ndim != int(row.size()) + 1 || !in.is<T>() ||
        !std::equal(row.begin(), row.end(), in.buffer.shape + 1))
        return nb::none();
    const size_t count = size_t(in.buffer.shape[0]);
    if (count == 0 || program_.predict_work(count) > QUICK) return nb::none();
    const T* numbers = static_cast<const T*>(in.buffer.buf);
    nb::object out = new_output(count);
    const View to(out.ptr(), PyBUF_ND | PyBUF_FORMAT | PyBUF_WRITABLE);
    const size_t outputs = output().cols;
    if (!to.held || !to.is<T>() || size_t(to.buffer.len) != count * outputs * sizeof(T)) return nb::none();
    // So little work is done without letting go of the interpreter; whoever predicts without it holds the lock.
    std::unique_lock<std::timed_mutex> lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return nb::none();
    const Rows rows{numbers, sizeof(T) == 4 ? Dtype::f32 : Dtype::f64, count,
                    program_.values[size_t(program_.inputs[0])].cols};
    one_[0] = rows;
    return program_.predict(one_, count, static_cast<T*>(to.buffer.buf), 1, [] { return false; }) ? out : nb::none();
}

template <class T> nb::object Face<T>::new_output(size_t count) const {
    const std::vector<Py_ssize_t>& result = shapes_[1];
    PyObject* shape = PyTuple_New(Py_ssize_t(result.size()) + 1);
    if (!shape) throw nb::python_error();
    PyTuple_SetItem(shape, 0, PyLong_FromSize_t(count));
    for (size_t i = 0; i < result.size(); ++i) PyTuple_SetItem(shape, Py_ssize_t(i) + 1, PyLong_FromSsize_t(result[i]));
    PyObject* arguments[] = {shape, dtype_.ptr()};
    nb::object out = nb::steal(PyObject_Vectorcall(empty_.ptr(), arguments, 2, nullptr));
    Py_DECREF(shape);
    if (!out.is_valid()) throw nb::python_error();
    return out;
}

template class Face<float>;
template class Face<double>;

}  // namespace pysmorch
