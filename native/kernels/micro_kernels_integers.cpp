#include "kernels/integers.h"
#include "kernels/micro_kernel.h"

namespace pysmorch {

using Ints = Vec<int32_t>;

template <class G> struct Groups {
    static Ints load(const G* p) { return pysmorch::load(reinterpret_cast<const int32_t*>(p)); }
    static Ints broadcast(G x) { return int32_t(x.group) - Ints{}; }
};

template <> struct Entries<Shorts> : Groups<Shorts> {
    static Ints fma(Ints sum, Ints x, Ints w) {
#if PYSMORCH_VECTOR_BYTES == 64
        return sum + Ints(_mm512_madd_epi16(__m512i(x), __m512i(w)));
#elif PYSMORCH_VECTOR_BYTES == 32
        return sum + Ints(_mm256_madd_epi16(__m256i(x), __m256i(w)));
#elif defined(__x86_64__)
        return sum + Ints(_mm_madd_epi16(__m128i(x), __m128i(w)));
#else
        return sum + (x << 16 >> 16) * (w << 16 >> 16) + (x >> 16) * (w >> 16);
#endif
    }
};
template Tile<int32_t, Shorts> tile_of<int32_t, Form::rows, Shorts>(int, bool);

#ifdef PYSMORCH_VNNI
template <> struct Entries<Bytes> : Groups<Bytes> {
    static Ints fma(Ints sum, Ints x, Ints w) {
#if PYSMORCH_VECTOR_BYTES == 64
        return Ints(_mm512_dpbusd_epi32(__m512i(sum), __m512i(x), __m512i(w)));
#else
        return Ints(_mm256_dpbusd_avx_epi32(__m256i(sum), __m256i(x), __m256i(w)));
#endif
    }
};
template Tile<int32_t, Bytes> tile_of<int32_t, Form::rows, Bytes>(int, bool);
#endif

}  // namespace pysmorch
