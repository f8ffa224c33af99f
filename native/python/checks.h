// What comes from Python: casts with an error that names the entry, and arrays as rows.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "core/data.h"
#include "core/description.h"

namespace pysmorch {

namespace nb = nanobind;

// Whether programs can multiply in bfloat16 on this processor.
inline bool has_bf16() {
#ifdef PYSMORCH_BF16
    return bf16::usable();
#else
    return false;
#endif
}

template <class V> V as(nb::handle h, const char* name) {
    V value;
    if (!nb::try_cast<V>(h, value, false)) {
        throw nb::type_error((std::string("a description has another type of ") + name).c_str());
    }
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

// The array, whose elements must be aligned for their type.
template <class A> const A& aligned(const A& array) {
    require(reinterpret_cast<uintptr_t>(array.data()) % array.itemsize() == 0, "an array is not aligned");
    return array;
}

// An array of data: rows along the first axis, all others flattened.
inline Rows rows_of(const Any& array) {
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

// The form of a loss or an optimizer by its name; the description has to have exactly the attributes that it reads.
template <class Form> const Form& form_of(const std::vector<Form>& forms, const nb::dict& description) {
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

}  // namespace pysmorch
