// Matrix products on rows and packed panels.
//
// A product C (M, N) = A (M, K) B (K, N) reads B as panels: WIDE columns (two vectors) side by side for every k, so that
// the inner loop reads one stream. Tiles of up to TALL rows of C stay in registers over the whole of K.
#pragma once
#include <utility>

#include "simd.h"

namespace pysmorch {

template <class T> constexpr int WIDE = 2 * LANES<T>;
// 32 vector registers hold 12 x 2 sums, two columns of B and an entry of A; 16 hold 6 x 2.
#if PYSMORCH_VECTOR_BYTES == 64 || defined(__aarch64__)
constexpr int TALL = 12;
#else
constexpr int TALL = 6;
#endif

enum class Store { set, add, set_bias, set_bias_relu };

// One tile: `rows` rows of A at distance row_stride, entries of a row at distance k_stride.
template <class T, int ROWS, int NV>
static inline __attribute__((always_inline)) void tile_sums(
    Vec<T> (&sums)[ROWS][NV], const T* a, size_t row_stride, size_t k_stride, const T* b, size_t b_stride, size_t K) {
    for (int i = 0; i < ROWS; ++i)
        for (int j = 0; j < NV; ++j) sums[i][j] = Vec<T>{};
    for (size_t k = 0; k < K; ++k) {
        Vec<T> columns[NV];
        for (int j = 0; j < NV; ++j) columns[j] = load(b + j * LANES<T>);
        for (int i = 0; i < ROWS; ++i) {
            const Vec<T> x = broadcast(a[i * row_stride]);
            for (int j = 0; j < NV; ++j) sums[i][j] += x * columns[j];
        }
        a += k_stride;
        b += b_stride;
    }
}

template <class T, int ROWS, int NV>
static void tile(const T* a, size_t row_stride, size_t k_stride, const T* b, size_t b_stride, size_t K,
                 T* c, size_t c_stride, int columns, Store how, const T* bias) {
    Vec<T> sums[ROWS][NV];
    tile_sums<T, ROWS, NV>(sums, a, row_stride, k_stride, b, b_stride, K);
    for (int j = 0; j < NV; ++j) {
        const int n = columns - j * LANES<T>;
        if (n <= 0) break;
        if (n >= LANES<T>) {
            const Vec<T> shift = bias ? load(bias + j * LANES<T>) : Vec<T>{};
            for (int i = 0; i < ROWS; ++i) {
                T* to = c + i * c_stride + j * LANES<T>;
                Vec<T> v = sums[i][j] + (how == Store::add ? load(to) : shift);
                if (how == Store::set_bias_relu) v = vmax<T>(v, Vec<T>{});
                store(to, v);
            }
        } else {
            const Vec<T> shift = bias ? load_part(bias + j * LANES<T>, n) : Vec<T>{};
            for (int i = 0; i < ROWS; ++i) {
                T* to = c + i * c_stride + j * LANES<T>;
                Vec<T> v = sums[i][j] + (how == Store::add ? load_part(to, n) : shift);
                if (how == Store::set_bias_relu) v = vmax<T>(v, Vec<T>{});
                store_part(to, v, n);
            }
        }
    }
}

template <class T>
using Tile = void (*)(const T*, size_t, size_t, const T*, size_t, size_t, T*, size_t, int, Store, const T*);

template <class T, int NV, int... ROWS>
static Tile<T> tile_of(int rows, std::integer_sequence<int, ROWS...>) {
    static constexpr Tile<T> tiles[] = {tile<T, ROWS + 1, NV>...};
    return tiles[rows - 1];
}

// C (M, n) for one panel of at most WIDE columns of B.
template <class T>
static void panel_product(size_t M, size_t K, const T* a, size_t row_stride, size_t k_stride, const T* b, size_t b_stride,
                          T* c, size_t c_stride, int columns, Store how, const T* bias) {
    const auto heights = std::make_integer_sequence<int, TALL>{};
    // Tiles of nearly the same height: 32 rows are 11 + 11 + 10, not 12 + 12 + 8.
    const size_t num_tiles = (M + TALL - 1) / TALL;
    size_t row = 0;
    for (size_t t = 0; t < num_tiles; ++t) {
        const size_t end = M * (t + 1) / num_tiles;
        const int rows = static_cast<int>(end - row);
        const Tile<T> f = columns > LANES<T> ? tile_of<T, 2>(rows, heights) : tile_of<T, 1>(rows, heights);
        f(a + row * row_stride, row_stride, k_stride, b, b_stride, K, c + row * c_stride, c_stride, columns, how, bias);
        row = end;
    }
}

// Size of the packed form of a matrix with K rows and N columns.
template <class T> inline size_t packed_size(size_t K, size_t N) { return K * round_up(N, WIDE<T>); }

// Columns N of B, rows K, packed: panel p starts at p * K * WIDE.
template <class T>
static void product(size_t M, size_t N, size_t K, const T* a, size_t a_stride, const T* packed, T* c, size_t c_stride,
                    Store how, const T* bias) {
    for (size_t n = 0; n < N; n += WIDE<T>) {
        const int columns = static_cast<int>(N - n < size_t(WIDE<T>) ? N - n : WIDE<T>);
        panel_product<T>(M, K, a, a_stride, 1, packed + n * K, WIDE<T>, c + n, c_stride, columns, how,
                         bias ? bias + n : nullptr);
    }
}

// Rows first..last of W (K, N) into the packed form of W.
template <class T>
static void pack_rows(const T* W, size_t K, size_t N, T* packed, size_t first, size_t last) {
    for (size_t n = 0; n < N; n += WIDE<T>) {
        const size_t columns = N - n < size_t(WIDE<T>) ? N - n : WIDE<T>;
        for (size_t k = first; k < last; ++k) {
            T* to = packed + n * K + k * WIDE<T>;
            std::memcpy(to, W + k * N + n, columns * sizeof(T));
            for (size_t j = columns; j < size_t(WIDE<T>); ++j) to[j] = 0;
        }
    }
}

// Rows first..last of W, which has N columns, into the packed form of W transposed; first is a multiple of WIDE.
template <class T>
static void pack_columns(const T* W, size_t N, T* packed, size_t first, size_t last) {
    constexpr size_t BLOCK = 16;  // columns at a time: reads are in order, and what is written stays in the first cache
    for (size_t k = first; k < last; k += WIDE<T>) {
        const size_t rows = last - k < size_t(WIDE<T>) ? last - k : WIDE<T>;
        for (size_t n = 0; n < N; n += BLOCK) {
            const size_t columns = N - n < BLOCK ? N - n : BLOCK;
            T* to = packed + k * N + n * WIDE<T>;
            for (size_t i = 0; i < rows; ++i)
                for (size_t j = 0; j < columns; ++j) to[j * WIDE<T> + i] = W[(k + i) * N + n + j];
            for (size_t i = rows; i < size_t(WIDE<T>); ++i)
                for (size_t j = 0; j < columns; ++j) to[j * WIDE<T> + i] = 0;
        }
    }
}

}  // namespace pysmorch
