#include "core/threads.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pysmorch {

namespace {

void relax() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

constexpr int SPINS = 1000, YIELDS = 300;

}  // namespace

void Barrier::wait() {
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
    for (int i = 0; i < SPINS + YIELDS; ++i) {
        if (phase_.load(std::memory_order_acquire) != phase) return;
        if (i < SPINS) relax();
        else std::this_thread::yield();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait(lock, [&] { return phase_.load(std::memory_order_acquire) != phase; });
}

#if defined(__x86_64__)
SubnormalsToZero::SubnormalsToZero() : before_(_mm_getcsr()) { _mm_setcsr(unsigned(before_) | _MM_FLUSH_ZERO_ON); }
SubnormalsToZero::~SubnormalsToZero() { _mm_setcsr(unsigned(before_)); }
#elif defined(__aarch64__)
// There the bit is for what is read as well.
SubnormalsToZero::SubnormalsToZero() {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" ::"r"(before_ | uint64_t(1) << 24));
}
SubnormalsToZero::~SubnormalsToZero() { asm volatile("msr fpcr, %0" ::"r"(before_)); }
#else
SubnormalsToZero::SubnormalsToZero() = default;
SubnormalsToZero::~SubnormalsToZero() = default;
#endif

void on_threads(int count, const std::function<void(int)>& body) {
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
