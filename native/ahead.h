// What is asked for before it is needed. It comes from far, and a processor has only so many lines of memory on their way: asked for
// little by little while a product is made, they keep nobody waiting.
#pragma once
#include <algorithm>

#include "data.h"

namespace pysmorch {

// What is changed when a product is made: some rows of up to three arrays.
struct Wanted {
    const char* arrays[3] = {};
    size_t stride = 0, rows = 0, bytes = 0;   // bytes from a row to the next, and of a row

    // Asks for what is due when `done` parts of the product are made, with so many rows for a part.
    void ask(size_t done, size_t at_a_time) const {
        const size_t end = std::min(rows, (done + 1) * at_a_time);
        for (const char* array : arrays)
            for (size_t r = done * at_a_time; array && r < end; ++r)
                for (const char *line = array + r * stride, *last = line + bytes; line < last; line += LINE) __builtin_prefetch(line, 1, 2);
    }
};

}  // namespace pysmorch
