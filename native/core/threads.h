// A pool of threads for one program, and the barrier between its phases.
//
// Work is cut into pieces whose results do not depend on who does them; the pool only decides who does which.
#pragma once
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/part.h"

namespace pysmorch {

// Waits until all threads have arrived: spins for a few microseconds, then yields, then blocks. Phases of a step are
// short, but there may be more threads than cores.
class Barrier {
  public:
    explicit Barrier(int count) : count_(count) {}

    void wait();

  private:
    const int count_;
    std::atomic<int> arrived_{0};
    std::atomic<uint32_t> phase_{0};
    std::mutex mutex_;
    std::condition_variable wake_;
};

// A work-stealing queue of small units: a thread takes its own range in pieces of decreasing size, then steals what is
// left of the others'. So a core that is slower or busy does not hold up the others.
class WorkQueue {
  public:
    explicit WorkQueue(int threads, size_t largest_piece = SIZE_MAX)
        : shares_(static_cast<size_t>(threads)), largest_piece_(largest_piece) {}

    // Units first .. last are the thread's own. It says so before there is a barrier, and nobody has to do with the
    // shares until then.
    void assign(int thread, size_t first, size_t last) {
        Share& share = shares_[size_t(thread)];
        share.next.store(first, std::memory_order_relaxed);
        share.last = last;
    }

    // Calls f(first, last) for one piece of the work after the other.
    template <class F> void work(int thread, F f) {
        for (size_t i = 0; i < shares_.size(); ++i) {
            Share& share = shares_[(size_t(thread) + i) % shares_.size()];
            for (size_t first = share.next.load(std::memory_order_relaxed); first < share.last;) {
                const size_t end = first + std::min(largest_piece_, (share.last - first + 1) / 2);
                if (!share.next.compare_exchange_weak(first, end, std::memory_order_relaxed)) continue;
                f(first, end);
                first = share.next.load(std::memory_order_relaxed);
            }
        }
    }

  private:
    struct alignas(64) Share {
        std::atomic<size_t> next{0};
        size_t last = 0;
    };
    std::vector<Share> shares_;
    size_t largest_piece_;
};

// The first exception of several threads, to be thrown again where all of them have ended.
class FirstError {
  public:
    // Returns whether f went through.
    template <class F> bool none(F&& f) {
        try {
            f();
            return true;
        } catch (...) {
            std::lock_guard<std::mutex> lock(mutex_);
            if (!error_) error_ = std::current_exception();
            return false;
        }
    }
    void rethrow() const {
        if (error_) std::rethrow_exception(error_);
    }

  private:
    std::mutex mutex_;
    std::exception_ptr error_;
};

// While it lives, results of its thread that are too small for their type are zero instead of subnormal. The processor
// takes a hundred times as long for a subnormal number, and momenta of units that are no longer active become such.
class SubnormalsToZero {
  public:
    SubnormalsToZero();
    ~SubnormalsToZero();
    SubnormalsToZero(const SubnormalsToZero&) = delete;
    SubnormalsToZero& operator=(const SubnormalsToZero&) = delete;

  private:
    uint64_t before_ = 0;
};

// Runs body(0) here and body(1) ... body(count - 1) on threads of their own, and waits for all. Nobody begins before
// all threads are there, so that a thread that cannot be made is an exception and not a wait without end. Threads live
// for one call only (a call is many steps), so that there is nothing to mend after a fork. What a body throws is thrown
// here, when all have ended: a body that others wait for must not throw.
void on_threads(int count, const std::function<void(int)>& body);

}  // namespace pysmorch
