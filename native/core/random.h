// Random numbers that anyone can make who knows seed, stream and step.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/simd.h"

namespace pysmorch {

// So many blocks of four words are made side by side. With short vectors the compiler finds its own way through words
// of 32 bits, in half of the time that lanes of 64 bits take there.
constexpr int PHILOX_BLOCKS = 32;

inline void philox_blocks(uint64_t seed, uint32_t stream, uint64_t step, uint64_t first, uint32_t (*words)[4]) {
    uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
#if PYSMORCH_VECTOR_BYTES >= 32
    // Each lane has one word in its lower half; what is in the other one does not count.
    typedef uint64_t Words __attribute__((vector_size(PYSMORCH_VECTOR_BYTES)));
    constexpr int L = PYSMORCH_VECTOR_BYTES / 8, VECTORS = PHILOX_BLOCKS / L;
    const auto product = [](Words a, uint32_t b) {
#if PYSMORCH_VECTOR_BYTES == 64
        return Words(_mm512_mul_epu32(__m512i(a), __m512i(Words{} + b)));
#else
        return Words(_mm256_mul_epu32(__m256i(a), __m256i(Words{} + b)));
#endif
    };
    Words c[4][VECTORS];
    for (int i = 0; i < VECTORS; ++i) {
        for (int l = 0; l < L; ++l) c[0][i][l] = first + uint64_t(i * L + l);
        c[1][i] = Words{} + stream;
        c[2][i] = Words{} + step;
        c[3][i] = Words{} + (step >> 32);
    }
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < VECTORS; ++i) {
            const Words p0 = product(c[0][i], 0xD2511F53u), p1 = product(c[2][i], 0xCD9E8D57u);
            c[0][i] = (p1 >> 32) ^ c[1][i] ^ k0;
            c[2][i] = (p0 >> 32) ^ c[3][i] ^ k1;
            c[1][i] = p1;
            c[3][i] = p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < VECTORS; ++i) {
        const Words low = (c[0][i] & 0xFFFFFFFFu) | c[1][i] << 32, high = (c[2][i] & 0xFFFFFFFFu) | c[3][i] << 32;
        for (int l = 0; l < L; ++l) {
            const uint64_t pairs[2] = {low[l], high[l]};
            std::memcpy(words[i * L + l], pairs, sizeof pairs);
        }
    }
#else
    uint32_t c[4][PHILOX_BLOCKS];
    for (int l = 0; l < PHILOX_BLOCKS; ++l) {
        c[0][l] = uint32_t(first) + uint32_t(l);
        c[1][l] = stream;
        c[2][l] = uint32_t(step);
        c[3][l] = uint32_t(step >> 32);
    }
    for (int round = 0; round < 10; ++round) {
        for (int l = 0; l < PHILOX_BLOCKS; ++l) {
            const uint64_t p0 = uint64_t(0xD2511F53u) * c[0][l], p1 = uint64_t(0xCD9E8D57u) * c[2][l];
            const uint32_t n0 = uint32_t(p1 >> 32) ^ c[1][l] ^ k0, n2 = uint32_t(p0 >> 32) ^ c[3][l] ^ k1;
            c[0][l] = n0;
            c[1][l] = uint32_t(p1);
            c[2][l] = n2;
            c[3][l] = uint32_t(p0);
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int l = 0; l < PHILOX_BLOCKS; ++l)
        for (int j = 0; j < 4; ++j) words[l][j] = c[j][l];
#endif
}

// Words first .. first + count of the stream (seed, stream, step) of Philox4x32-10.
// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
__attribute__((noinline)) inline void philox_words(uint64_t seed, uint32_t stream, uint64_t step, uint64_t first,
                                                   size_t count, uint32_t* words) {
    uint32_t made[PHILOX_BLOCKS][4];
    const uint64_t end = first + count;
    for (uint64_t block = first / 4; block * 4 < end; block += PHILOX_BLOCKS) {
        philox_blocks(seed, stream, step, block, made);
        const uint64_t from = std::max(first, block * 4), to = std::min(end, (block + PHILOX_BLOCKS) * 4);
        std::memcpy(words + (from - first), &made[0][0] + (from - block * 4), (to - from) * sizeof(uint32_t));
    }
}

// The numbers 0 .. count - 1 sorted by random words, stream 0 of the streams, and by themselves where those are the
// same.
inline void permutation(uint64_t seed, uint64_t step, size_t count, int64_t* order) {
    std::vector<uint32_t> words(count);
    philox_words(seed, 0, step, 0, count, words.data());
    std::vector<uint64_t> from(count), to(count);  // words above, numbers below
    for (size_t i = 0; i < count; ++i) from[i] = uint64_t(words[i]) << 32 | i;
    constexpr int BITS = 11;
    for (int shift = 32; shift < 64; shift += BITS) {  // the lowest bits first; what is the same stays in order
        std::array<size_t, (1 << BITS) + 1> starts{};
        auto digit = [&](uint64_t key) { return size_t(key >> shift) & ((1 << BITS) - 1); };
        for (const uint64_t key : from) ++starts[digit(key) + 1];
        for (size_t d = 1; d < starts.size(); ++d) starts[d] += starts[d - 1];
        for (const uint64_t key : from) to[starts[digit(key)]++] = key;
        from.swap(to);
    }
    for (size_t i = 0; i < count; ++i) order[i] = int64_t(from[i] & 0xFFFFFFFFu);
}

}  // namespace pysmorch
