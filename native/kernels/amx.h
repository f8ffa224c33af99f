// Products on the matrix unit of a processor (AMX): of bfloat16, 16 rows of A, with 16 pairs each, times 16 pairs of 16
// columns; and of integers in groups of four bytes, with as many of them.
//
// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18. A build with
// PYSMORCH_EMULATE_AMX does the same without the unit, for tests.
#pragma once
#ifdef PYSMORCH_BF16
#include <array>
#include <atomic>

#include "kernels/integers.h"

#if defined(__linux__) && !defined(PYSMORCH_EMULATE_AMX)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace pysmorch {

namespace amx {
// Rows of a tile, and its columns of four bytes.
struct Shape {
    uint8_t rows = 16, columns = 16;
};
using Shapes = std::array<Shape, 8>;
constexpr Shapes WHOLE{};
// Whether new operations may use the unit, where there is one.
inline std::atomic<bool> allowed{true};
}  // namespace amx

#if defined(PYSMORCH_EMULATE_AMX)
namespace amx {
inline thread_local uint32_t tiles[8][16][16];
inline thread_local Shape shapes[8];
template <int TILE> void zero() { std::memset(tiles[TILE], 0, sizeof tiles[TILE]); }
template <int TILE> void load(const void* from, size_t stride) {
    zero<TILE>();
    for (size_t i = 0; i < shapes[TILE].rows; ++i)
        std::memcpy(tiles[TILE][i], static_cast<const char*>(from) + i * stride, shapes[TILE].columns * 4);
}
template <int TILE> void store(void* to, size_t stride) {
    for (size_t i = 0; i < shapes[TILE].rows; ++i)
        std::memcpy(static_cast<char*>(to) + i * stride, tiles[TILE][i], shapes[TILE].columns * 4);
}
inline float half_of(uint32_t pair, int which) {
    const uint32_t bits = which ? pair & 0xffff0000u : pair << 16;
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}
template <int C, int A, int B> void multiply() {
    for (size_t i = 0; i < shapes[C].rows; ++i)
        for (size_t k = 0; k < shapes[A].columns; ++k)
            for (size_t j = 0; j < shapes[C].columns; ++j) {
                float sum;
                std::memcpy(&sum, &tiles[C][i][j], sizeof sum);
                for (int which : {0, 1}) sum += half_of(tiles[A][i][k], which) * half_of(tiles[B][k][j], which);
                std::memcpy(&tiles[C][i][j], &sum, sizeof sum);
            }
}
template <int C, int A, int B> void multiply_bytes() {
    for (size_t i = 0; i < shapes[C].rows; ++i)
        for (size_t k = 0; k < shapes[A].columns; ++k)
            for (size_t j = 0; j < shapes[C].columns; ++j)
                for (int shift = 0; shift < 32; shift += 8)
                    tiles[C][i][j] +=
                        uint32_t(int32_t(uint8_t(tiles[A][i][k] >> shift)) * int32_t(int8_t(tiles[B][k][j] >> shift)));
}
struct Session {
    explicit Session(const Shapes& all = WHOLE) { std::copy(all.begin(), all.end(), shapes); }
};
inline bool usable() { return true; }
}  // namespace amx
#elif defined(__linux__)
namespace amx {
// In assembly, since the compilers' own functions take no template's argument for the number of a tile.
template <int TILE> inline __attribute__((always_inline)) void zero() { asm volatile("tilezero %%tmm%c0" ::"i"(TILE)); }
template <int TILE> inline __attribute__((always_inline)) void load(const void* from, size_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(TILE) : "memory");
}
template <int TILE> inline __attribute__((always_inline)) void store(void* to, size_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(TILE) : "memory");
}
template <int C, int A, int B> inline __attribute__((always_inline)) void multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
}
template <int C, int A, int B> inline __attribute__((always_inline)) void multiply_bytes() {
    asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
}

// Eight tiles of these shapes, from here to the end of the block.
struct Session {
    explicit Session(const Shapes& shapes = WHOLE) {
        alignas(64) struct {
            uint8_t palette = 1, start_row = 0, reserved[14] = {};
            uint16_t bytes[16] = {};
            uint8_t rows[16] = {};
        } config;
        for (size_t i = 0; i < shapes.size(); ++i) {
            config.bytes[i] = uint16_t(shapes[i].columns * 4);
            config.rows[i] = shapes[i].rows;
        }
        asm volatile("ldtilecfg %0" ::"m"(config));
    }
    ~Session() { asm volatile("tilerelease"); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
};
// Whether the processor has the unit and the system lets this process use it.
inline bool usable() {
    static const bool answer = [] {
        unsigned a, b, c, d;
        if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & (1u << 22)) || !(d & (1u << 24)) || !(d & (1u << 25)))
            return false;
        constexpr long REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;
        return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
    }();
    return answer;
}
}  // namespace amx
#else
namespace amx {
template <int> void zero() {}
template <int> void load(const void*, size_t) {}
template <int> void store(void*, size_t) {}
template <int, int, int> void multiply() {}
template <int, int, int> void multiply_bytes() {}
struct Session {
    explicit Session(const Shapes& = WHOLE) {}
};
inline bool usable() { return false; }
}  // namespace amx
#endif

namespace amx {
// 2 x 2 tiles of sums, 32 x 32 elements of C in all: `lower` says whether there are more than 16 rows, `two` whether
// there are more than 16 columns. C has rows of `stride` numbers.
inline void zero_sums() {
    zero<0>();
    zero<1>();
    zero<2>();
    zero<3>();
}
inline void load_sums(const float* c, size_t stride, bool lower, bool two) {
    load<0>(c, stride * 4);
    if (two) load<1>(c + 16, stride * 4);
    if (lower) load<2>(c + 16 * stride, stride * 4);
    if (lower && two) load<3>(c + 16 * stride + 16, stride * 4);
}
template <class T> inline void store_sums(T* c, size_t stride, bool lower, bool two) {
    store<0>(c, stride * 4);
    if (two) store<1>(c + 16, stride * 4);
    if (lower) store<2>(c + 16 * stride, stride * 4);
    if (lower && two) store<3>(c + 16 * stride + 16, stride * 4);
}
// What is in the tiles: pairs of bfloat16, or bytes.
template <class S, int C, int A, int B> inline __attribute__((always_inline)) void multiply_entries() {
    if constexpr (std::is_same_v<S, Bytes>) multiply_bytes<C, A, B>();
    else multiply<C, A, B>();
}
// Adds the products of a tile of A and the one with the rows below it, of `a_stride` entries a row, and two tiles of B
// side by side, of `b_stride` entries a row.
template <class S>
inline __attribute__((always_inline)) void add_products(const S* a, const S* below, size_t a_stride, const S* b,
                                                        size_t b_stride, bool lower, bool two) {
    load<4>(a, a_stride * 4);
    load<6>(b, b_stride * 4);
    multiply_entries<S, 0, 4, 6>();
    if (two) {
        load<7>(b + 16, b_stride * 4);
        multiply_entries<S, 1, 4, 7>();
    }
    if (lower) {
        load<5>(below, a_stride * 4);
        multiply_entries<S, 2, 5, 6>();
        if (two) multiply_entries<S, 3, 5, 7>();
    }
}
}  // namespace amx

// 32 features by 32 rows of the batch at a time, in four tiles of sums.
struct AmxTiles {
    static constexpr Form form = Form::rows;
    using Session = amx::Session;
    static bool usable() { return amx::allowed.load(std::memory_order_relaxed) && amx::usable(); }
    static size_t count(size_t F) { return (F + 31) / 32; }
    static size_t start(size_t F, size_t t) { return std::min(F, t * 32); }

    // `depth` pairs are rounded up to whole tiles: A and B have zeros there. Rows of A beyond `rows` are read and not
    // used. Where A is in panels, a panel has 16 pairs of each row, and the next one is `jump` further.
    static void multiply(const Pair* a, size_t stride, size_t jump, const Pair* b, size_t depth, float* c,
                         size_t c_stride, int rows, bool two, bool add, const Prefetch* prefetch = nullptr) {
        constexpr size_t P = NR<float>;
        alignas(64) float edge[32 * P];
        float* const sums = rows == 32 ? c : edge;
        const size_t row = sums == c ? c_stride : P;
        for (int i = 0; add && sums == edge && i < rows; ++i)
            std::memcpy(edge + i * P, c + i * c_stride, P * sizeof(float));
        const bool lower = rows > 16;
        if (add) amx::load_sums(sums, row, lower, two);
        else amx::zero_sums();
        const size_t at_a_time = prefetch && depth > 0 ? (prefetch->rows * 16 + depth - 1) / depth : 0;
        for (size_t k = 0; k < depth; k += 16, a += jump ? jump : 16, b += 16 * P) {
            if (prefetch) prefetch->issue(k / 16, at_a_time);
            amx::add_products(a, a + 16 * stride, stride, b, P, lower, two);
        }
        amx::store_sums(sums, row, lower, two);
        for (int i = 0; sums == edge && i < rows; ++i)
            std::memcpy(c + i * c_stride, edge + i * P, (two ? P : 16) * sizeof(float));
    }
};

}  // namespace pysmorch
#endif
