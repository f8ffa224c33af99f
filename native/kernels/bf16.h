// bfloat16: the upper half of a float. Values may be stored in it, in the same order as floats; products take two of
// them, a Pair.
#pragma once
#ifdef PYSMORCH_BF16
#include <atomic>

#include "kernels/simd.h"

namespace pysmorch {

namespace bf16 {
// Whether new programs may use the instructions, where the processor has them.
inline std::atomic<bool> allowed{true};
inline bool usable() { return allowed.load(std::memory_order_relaxed) && __builtin_cpu_supports("avx512bf16"); }
}  // namespace bf16

enum class Bf16 : uint16_t {};
using Pair = uint32_t;

inline Vec<float> load(const Bf16* p) {
    alignas(64) static constexpr uint16_t order[32] = {0, 0, 0, 1, 0, 2,  0, 3,  0, 4,  0, 5,  0, 6,  0, 7,
                                                       0, 8, 0, 9, 0, 10, 0, 11, 0, 12, 0, 13, 0, 14, 0, 15};
    const __m512i numbers = _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return Vec<float>(_mm512_maskz_permutexvar_epi16(0xaaaaaaaau, _mm512_load_si512(order), numbers));
}
inline void store(Bf16* p, Vec<float> v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), __m256i(_mm512_cvtneps_pbh(v)));
}

inline Vec<float> as_stored(const Bf16*, Vec<float> v) {
    return Vec<float>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(__m256i(_mm512_cvtneps_pbh(v))), 16));
}

// One pair for each lane: a below, b above.
inline __m512i pairs_of(Vec<float> a, Vec<float> b) {
    alignas(64) static constexpr uint16_t order[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                       8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_permutexvar_epi16(_mm512_load_si512(order), __m512i(_mm512_cvtne2ps_pbh(b, a)));
}
// 32 numbers one after the other.
inline __m512i row_of(Vec<float> a, Vec<float> b) { return __m512i(_mm512_cvtne2ps_pbh(b, a)); }

// Pairs of what two rows of 32 numbers have at the same index, for the first or the last 16 of them.
inline __m512i pairs_between(__m512i a, __m512i b, bool last) {
    alignas(64) static constexpr uint16_t order[32] = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                                       8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
    return _mm512_permutex2var_epi16(a, _mm512_add_epi16(_mm512_load_si512(order), _mm512_set1_epi16(last ? 16 : 0)),
                                     b);
}

// Copies at most 16 rows of at most 32 columns of weights, both as they are and with rows and columns changed. Copies
// have `forward_stride` and `backward_stride` numbers from a row to the next; `backward` gets 32 columns whatever their
// count.
inline void copy_both_ways(const float* w, size_t stride, size_t rows, int columns, Bf16* forward,
                           size_t forward_stride, Bf16* backward, size_t backward_stride) {
    constexpr int L = LANES<float>;
    const int first = columns < L ? columns : L, second = columns - first;
    Vec<float> left[L], right[L];
    for (size_t i = 0; i < size_t(L); ++i) {
        left[i] = i < rows ? load_part(w + i * stride, first) : Vec<float>{};
        right[i] = i < rows && second > 0 ? load_part(w + i * stride + L, second) : Vec<float>{};
        if (i < rows) _mm512_storeu_si512(backward + i * backward_stride, row_of(left[i], right[i]));
    }
    transpose<float>(left);
    transpose<float>(right);
    const __mmask16 mask = __mmask16((1u << rows) - 1);
    for (int j = 0; j < first; ++j)
        _mm256_mask_storeu_epi16(forward + size_t(j) * forward_stride, mask, __m256i(_mm512_cvtneps_pbh(left[j])));
    for (int j = 0; j < second; ++j)
        _mm256_mask_storeu_epi16(forward + size_t(L + j) * forward_stride, mask, __m256i(_mm512_cvtneps_pbh(right[j])));
}

// Copies rows of at most 32 columns of weights, as they are and in pairs of rows: forward gets a pair for each column,
// from the first row and the second, and so on. Both get 16 columns at a time whatever their count; there may be no
// `backward`.
inline void copy_rows_and_pairs(const float* w, size_t stride, size_t rows, int columns, Pair* forward,
                                size_t forward_stride, Bf16* backward, size_t backward_stride) {
    constexpr int L = LANES<float>;
    for (int j = 0; j < columns; j += L)
        for (size_t i = 0; i < rows; i += 2) {
            const float* from = w + i * stride + j;
            const Vec<float> upper = load_up_to(from, size_t(columns - j)),
                             lower = i + 1 < rows ? load_up_to(from + stride, size_t(columns - j)) : Vec<float>{};
            _mm512_storeu_si512(forward + i / 2 * forward_stride + j, pairs_of(upper, lower));
            if (!backward) continue;
            store(backward + i * backward_stride + j, upper);
            if (i + 1 < rows) store(backward + (i + 1) * backward_stride + j, lower);
        }
}

}  // namespace pysmorch
#endif
