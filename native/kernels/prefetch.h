// Software prefetch. A core has a limited number of outstanding cache-line fills, so lines are prefetched a few at a
// time while a product is computed; more at once would stall it.
#pragma once
#include <algorithm>
#include <cstddef>

namespace pysmorch {

constexpr size_t LINE = 64;  // bytes of a cache line

// Prefetches a line that will be written, so that no other core's copy of it has to be given up later. In assembly on
// x86: compilers that may not assume the instruction leave such a prefetch out, and where it is unknown it does
// nothing.
inline void prefetch_to_write(const char* line) {
#if defined(__x86_64__)
    asm volatile("prefetchw %0" ::"m"(*line));
#else
    __builtin_prefetch(line, 1, 2);
#endif
}

// What is changed when a product is made, or what its thread writes or reads next: some rows of up to four arrays.
struct Prefetch {
    const char* arrays[4] = {};
    size_t stride = 0, rows = 0, bytes = 0;  // bytes from a row to the next, and of a row

    // Prefetches `at_a_time` rows, those of part `done` of the reduction loop.
    void issue(size_t done, size_t at_a_time) const {
        const size_t end = std::min(rows, (done + 1) * at_a_time);
        for (const char* array : arrays)
            for (size_t r = done * at_a_time; array && r < end; ++r)
                for (const char *line = array + r * stride, *last = line + bytes; line < last; line += LINE)
                    prefetch_to_write(line);
    }
};

}  // namespace pysmorch
