// What the threads of a call that trains share.
#pragma once
#include <atomic>

#include "core/program.h"

namespace pysmorch {

template <class T> struct Program<T>::Training {
    static constexpr size_t UNITS = 32;  // into which a thread's share of work by feature is cut, for others to steal

    Training(const Epoch& epoch, const std::function<bool()>& interrupted, int count, size_t chunks, bool undoes)
        : epoch(epoch), interrupted(interrupted), count(count), chunks(chunks), undoes(undoes), result(epoch.so_far),
          barrier(count), units{WorkQueue(count, UNITS / chunks), WorkQueue(count, UNITS / chunks)}, tasks(count, 1) {}

    const Epoch& epoch;
    const std::function<bool()>& interrupted;
    const int count;      // of threads
    const size_t chunks;  // of a thread's part of a stage, between which signals are looked for; 1 in a short step
    const bool undoes;    // whether an interruption undoes a step whose parameters are being updated
    Result result;
    Barrier barrier;
    // An exception (there was no memory) ends the step for all threads; until the next barrier, they go on.
    FirstError error;
    std::atomic<bool> broken{false}, stop{false};
    // An interruption within a step: what is left of it is left out, and it is undone.
    std::atomic<bool> halted{false};
    std::vector<T> parameters_before;
    std::vector<double> states_before;
    WorkQueue units[2];  // alternating: threads may still take work from one when the other is filled
    WorkQueue tasks;
};

}  // namespace pysmorch
