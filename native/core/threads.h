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

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pysmorch {

inline void relax() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Who waits spins for a few microseconds, then offers the core to others again and again, and at last sleeps: phases of a step are
// short, but there may be more threads than cores.
constexpr int SPINS = 1000, OFFERS = 300;

class Barrier {
  public:
    explicit Barrier(int count) : count_(count) {}

    void wait() {
        if (count_ == 1) return;
        const uint32_t phase = phase_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
            arrived_.store(0, std::memory_order_relaxed);
            {
                std::lock_guard<std::mutex> lock(mutex_);
                phase_.store(phase + 1, std::memory_order_release);
            }
            wake_.notify_all();
            return;
        }
        for (int i = 0; i < SPINS + OFFERS; ++i) {
            if (phase_.load(std::memory_order_acquire) != phase) return;
            if (i < SPINS) relax();
            else std::this_thread::yield();
        }
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return phase_.load(std::memory_order_acquire) != phase; });
    }

  private:
    const int count_;
    std::atomic<int> arrived_{0};
    std::atomic<uint32_t> phase_{0};
    std::mutex mutex_;
    std::condition_variable wake_;
};

// Work in small units that threads take: each its own share, in ever smaller pieces, then what is left of the others'. A core
// that is slower, or has something else to do, so keeps nobody waiting.
class Shares {
  public:
    explicit Shares(int threads, size_t largest_piece = SIZE_MAX) : shares_(static_cast<size_t>(threads)), largest_piece_(largest_piece) {}

    // Units first .. last are the thread's own. It says so before all threads meet, and nobody has to do with the shares until then.
    void refill(int thread, size_t first, size_t last) {
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

// Runs body(0) here and body(1) ... body(count - 1) on threads of their own, and waits for all. Nobody begins before all
// threads are there, so that a thread that cannot be made is an exception and not a wait without end.
// Threads live for one call only (a call is many steps), so that there is nothing to mend after a fork.
// What a body throws is thrown here, when all have ended: a body that others wait for must not throw.
template <class Body> void on_threads(int count, Body&& body) {
    if (count == 1) {
        body(0);
        return;
    }
    std::atomic<int> gate{0};
    std::vector<std::thread> threads;
    FirstError error;
    auto open = [&](int value) {
        gate.store(value, std::memory_order_release);
        gate.notify_all();
    };
    try {
        threads.reserve(count - 1);
        for (int t = 1; t < count; ++t)
            threads.emplace_back([&, t] {
                gate.wait(0);
                if (gate.load(std::memory_order_acquire) > 0) error.none([&] { body(t); });
            });
    } catch (...) {
        open(-1);
        for (std::thread& thread : threads) thread.join();
        throw;
    }
    open(1);
    error.none([&] { body(0); });
    for (std::thread& thread : threads) thread.join();
    error.rethrow();
}

}  // namespace pysmorch
