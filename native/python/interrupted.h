// Signals, such as Ctrl-C, while a program runs.
#pragma once
#include <nanobind/nanobind.h>

#include <chrono>

namespace pysmorch {

namespace nb = nanobind;

constexpr std::chrono::milliseconds BETWEEN_SIGNALS{200};

// Whether a signal, such as Ctrl-C, has raised an exception; asked without the interpreter, which it seldom needs.
struct Interrupted {
    bool raised = false;
    std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();

    bool operator()() {
        const auto now = std::chrono::steady_clock::now();
        if (raised || now - last < BETWEEN_SIGNALS) return raised;
        last = now;
        nb::gil_scoped_acquire gil;
        return raised = PyErr_CheckSignals() != 0;
    }
};

}  // namespace pysmorch
