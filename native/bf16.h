// bfloat16: the upper half of a float. Two of them side by side are a Pair.
#pragma once
#ifdef PYSMORCH_BF16
#include "product.h"

namespace pysmorch {

using Bf16 = uint16_t;

// One pair for each lane: a below, b above.
inline __m512i pairs_of(Vec<float> a, Vec<float> b) {
    const __m512i low = _mm512_cvtepu16_epi32(__m256i(_mm512_cvtneps_pbh(a)));
    const __m512i high = _mm512_cvtepu16_epi32(__m256i(_mm512_cvtneps_pbh(b)));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}
// 32 numbers one after the other.
inline __m512i row_of(Vec<float> a, Vec<float> b) { return __m512i(_mm512_cvtne2ps_pbh(b, a)); }

}  // namespace pysmorch
#endif
