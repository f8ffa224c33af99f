// bfloat16: the upper half of a float. Two of them side by side are a Pair.
#pragma once
#ifdef PYSMORCH_BF16
#include "product.h"

namespace pysmorch {

using Bf16 = uint16_t;

// One pair for each lane: a below, b above.
inline __m512i pairs_of(Vec<float> a, Vec<float> b) {
    alignas(64) static constexpr uint16_t order[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                       8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_permutexvar_epi16(_mm512_load_si512(order), __m512i(_mm512_cvtne2ps_pbh(b, a)));
}
// 32 numbers one after the other.
inline __m512i row_of(Vec<float> a, Vec<float> b) { return __m512i(_mm512_cvtne2ps_pbh(b, a)); }

}  // namespace pysmorch
#endif
