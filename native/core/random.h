// Random numbers that anyone can make who knows seed, stream and step.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace pysmorch {

// Words first .. first + count of the stream (seed, stream, step) of Philox4x32-10.
// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
inline void philox_words(uint64_t seed, uint32_t stream, uint64_t step, uint64_t first, size_t count, uint32_t* words) {
    constexpr int BLOCKS = 16;  // four words each, made side by side
    uint32_t c[4][BLOCKS];
    const uint64_t end = first + count;
    for (uint64_t block = first / 4; block * 4 < end; block += BLOCKS) {
        for (int l = 0; l < BLOCKS; ++l) {
            c[0][l] = uint32_t(block) + uint32_t(l);
            c[1][l] = stream;
            c[2][l] = uint32_t(step);
            c[3][l] = uint32_t(step >> 32);
        }
        uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
        for (int round = 0; round < 10; ++round) {
            for (int l = 0; l < BLOCKS; ++l) {
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
        for (int l = 0; l < BLOCKS; ++l)
            for (int j = 0; j < 4; ++j) {
                const uint64_t at = (block + l) * 4 + j;
                if (at >= first && at < end) words[at - first] = c[j][l];
            }
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
