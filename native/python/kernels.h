// Kernels for tests of their own: the submodule `_kernels` of the extension.
#pragma once
#include <nanobind/nanobind.h>

namespace pysmorch {

void expose_kernels(nanobind::module_& m);

}  // namespace pysmorch
