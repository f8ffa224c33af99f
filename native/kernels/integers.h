// Products of integers of 8 bits with sums of 32 bits. These are exact, so that all ways to compute them give the same
// bits. Inputs and weights lie in groups: what an instruction multiplies and adds up for one lane.
#pragma once
#include <atomic>

#include "kernels/product.h"

namespace pysmorch {

// Four bytes each, inputs without a sign: the instructions of VNNI and the matrix unit.
struct __attribute__((may_alias)) Bytes {
    using Input = uint8_t;
    using Weight = int8_t;
    static constexpr size_t SIZE = 4;
    static constexpr int SHIFT = 128;  // added to inputs that have a sign
    uint32_t group;
};

// Two numbers of 16 bits each: all processors.
struct __attribute__((may_alias)) Shorts {
    using Input = int16_t;
    using Weight = int16_t;
    static constexpr size_t SIZE = 2;
    static constexpr int SHIFT = 0;
    uint32_t group;
};

#if (defined(__AVX512VNNI__) && PYSMORCH_VECTOR_BYTES == 64) || (defined(__AVXVNNI__) && PYSMORCH_VECTOR_BYTES == 32)
#define PYSMORCH_VNNI
namespace vnni {
// Whether new programs may use the instructions, where the processor has them.
inline std::atomic<bool> allowed{true};
inline bool usable() {
#if PYSMORCH_VECTOR_BYTES == 64
    return allowed.load(std::memory_order_relaxed) && __builtin_cpu_supports("avx512vnni");
#else
    return allowed.load(std::memory_order_relaxed);
#endif
}
}  // namespace vnni
#endif

}  // namespace pysmorch
