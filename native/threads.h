// A pool of threads for one program, and the barrier between its phases.
//
// Work is cut into pieces whose results do not depend on who does them; the pool only decides who does which.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

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

// Parts `index` .. `index + length` of `count` of some work.
struct Part {
    int index = 0, count = 1, length = 1;
    std::pair<size_t, size_t> of(size_t n) const { return {n * size_t(index) / size_t(count), n * size_t(index + length) / size_t(count)}; }
};

// Work in small parts that threads take: each its own share, in ever smaller pieces, then what is left of the others'. A core
// that is slower, or has something else to do, so keeps nobody waiting.
class Shares {
  public:
    explicit Shares(int threads) : taken_(static_cast<size_t>(threads)) {}

    // Each thread calls this before all of them meet, and nobody has to do with the shares until then.
    void refill(int thread) { taken_[size_t(thread)].count.store(0, std::memory_order_relaxed); }

    // Calls f with one piece of the work after the other.
    template <class F> void work(int thread, F f) {
        const int threads = int(taken_.size());
        for (int i = 0; i < threads; ++i) {
            const int owner = (thread + i) % threads;
            std::atomic<int>& taken = taken_[size_t(owner)].count;
            for (int first = taken.load(std::memory_order_relaxed); first < PARTS;) {
                const int length = (PARTS - first + 1) / 2;
                if (!taken.compare_exchange_weak(first, first + length, std::memory_order_relaxed)) continue;
                f(Part{owner * PARTS + first, threads * PARTS, length});
                first = taken.load(std::memory_order_relaxed);
            }
        }
    }

  private:
    static constexpr int PARTS = 32;   // of a share
    struct alignas(64) Count { std::atomic<int> count{0}; };
    std::vector<Count> taken_;
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
