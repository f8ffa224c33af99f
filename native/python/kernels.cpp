#include "python/kernels.h"

#include "kernels/amx.h"
#include "kernels/math.h"
#include "kernels/product.h"
#include "python/checks.h"

namespace pysmorch {

namespace {

// c (rows, panel width) = or += a b over `depth` entries; where A is in panels, the next one is `jump` entries further.
struct Micro {
    size_t stride, jump, depth;
    int rows;
    bool two, add;
};

template <class Kernel, class T, class S>
void multiply(Flat<const S> a, Flat<const S> b, Flat<T> c, const Micro& m, size_t depth) {
    constexpr size_t D = K_PER_PANEL<T, S>;
    const size_t rows = size_t(m.rows), panels = (depth + D - 1) / D;
    const size_t end = Kernel::form == Form::columns ? (depth - 1) * m.stride + rows
                       : m.jump == 0                 ? (rows - 1) * m.stride + depth
                                                     : (panels - 1) * m.jump + rows * D;
    require(rows >= 1 && depth >= 1 && a.size() >= end && b.size() >= depth * NR<T> && c.size() >= rows * NR<T>,
            "an array is too short");
    Kernel::multiply(a.data(), m.stride, m.jump, b.data(), m.depth, c.data(), NR<T>, m.rows, m.two, m.add);
}

template <class T, class S>
void multiply_form(const std::string& form, Flat<const S> a, Flat<const S> b, Flat<T> c, const Micro& m) {
    require(m.rows <= MR, "a micro-tile has fewer rows");
    if (form == "columns") multiply<Tiles<T, Form::columns, S>, T, S>(a, b, c, m, m.depth);
    else if (form == "rows") multiply<Tiles<T, Form::rows, S>, T, S>(a, b, c, m, m.depth);
    else multiply<Tiles<T, Form::panels, S>, T, S>(a, b, c, m, m.depth);
}

template <class T, class S> void expose_product(nb::module_& m, const char* name) {
    m.def(name, [](const std::string& form, Flat<const S> a, size_t stride, size_t jump, Flat<const S> b, size_t depth,
                   Flat<T> c, int rows, bool two,
                   bool add) { multiply_form<T, S>(form, a, b, c, {stride, jump, depth, rows, two, add}); });
}

using Function = VF (*)(VF);

Function function_named(const std::string& name) {
    if (name == "exp") return [](VF x) { return vexp(x); };
    if (name == "expm1") return [](VF x) { return vexpm1(x); };
    if (name == "log") return [](VF x) { return vlog(x); };
    if (name == "sigmoid") return [](VF x) { return vsigmoid(x); };
    if (name == "tanh") return [](VF x) { return vtanh(x); };
    if (name == "erf") return [](VF x) { return verf(x); };
    if (name == "sin") return [](VF x) { return vsin(x); };
    if (name == "cos") return [](VF x) { return vcos(x); };
    require(name == "sqrt", "there is no such function");
    return [](VF x) { return vsqrt(x); };
}

}  // namespace

void expose_kernels(nb::module_& module) {
    nb::module_ m = module.def_submodule("_kernels", "Kernels, for tests.");
    m.attr("max_rows") = MR;
    m.attr("panel_width_32") = NR<float>;
    m.attr("panel_width_64") = NR<double>;
    expose_product<float, float>(m, "product_float32");
    expose_product<double, double>(m, "product_float64");
#ifdef PYSMORCH_BF16
    expose_product<float, Pair>(m, "product_bf16");
    m.def("product_amx", [](Flat<const Pair> a, size_t stride, size_t jump, Flat<const Pair> b, size_t depth,
                            Flat<float> c, int rows, bool two, bool add) {
        require(amx::usable() && rows <= 32, "there is no matrix unit, or it has fewer rows");
        const amx::Session session;
        // Whole tiles are read: 32 rows, and pairs up to a multiple of 16.
        const Micro tile{stride, jump, depth, rows, two, add};
        require(c.size() >= 32 * size_t(NR<float>), "an array is too short");
        multiply<AmxTiles, float, Pair>(a, b, c, tile, round_up(depth, 16));
    });
#endif
    m.def("apply", [](const std::string& name, Flat<const float> x, Flat<float> y) {
        const Function f = function_named(name);
        require(x.size() == y.size() && x.size() % LANES<float> == 0, "arrays must have whole vectors");
        for (size_t i = 0; i < x.size(); i += LANES<float>) store(y.data() + i, f(load(x.data() + i)));
    });
}

}  // namespace pysmorch
