// Whether work without the interpreter is to end: because of a signal, or because another thread wants it to.
#pragma once
#include <nanobind/nanobind.h>

#include <chrono>
#include <cstdint>

namespace pysmorch {

namespace nb = nanobind;

constexpr std::chrono::milliseconds BETWEEN_SIGNALS{200};

// Whether a signal, such as Ctrl-C, has raised an exception; asked without the interpreter, which it seldom needs. Python
// answers signals in its main thread only: work in others ends when that one sets their flag.
struct Interrupted {
    const uint8_t* flag = nullptr;  // of another thread: not 0 where the work is to end
    bool raised = false, cancelled = false;
    std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();

    bool operator()() {
        if (flag && __atomic_load_n(flag, __ATOMIC_RELAXED)) cancelled = true;
        if (raised || cancelled) return true;
        const auto now = std::chrono::steady_clock::now();
        if (now - last < BETWEEN_SIGNALS) return false;
        last = now;
        nb::gil_scoped_acquire gil;
        return raised = PyErr_CheckSignals() != 0;
    }
};

}  // namespace pysmorch
