// Memory planning: buffers whose live ranges do not overlap share memory.
#pragma once
#include <cstddef>
#include <vector>

namespace pysmorch {

// A value or a gradient, and the live range during which it is needed, counted in stages of a step.
struct LiveBuffer {
    size_t size = 0;  // in elements
    int begin = -1, end = -1;
    size_t offset = 0;
    int alias = -1;  // another buffer whose memory this one takes over

    // Extends the live range.
    void use(int first, int last);
};

// One buffer after the other. Returns the size of all.
size_t assign_in_order(std::vector<LiveBuffer>& buffers);

// First fit: each buffer gets the first gap that is free during its live range. `needs_barrier[stage]` is set where a
// buffer reuses memory of one that ended before, so that all threads have to be done with that one. Returns the size of
// all.
[[gnu::cold]] size_t assign_with_reuse(std::vector<LiveBuffer>& buffers, std::vector<char>& needs_barrier);

}  // namespace pysmorch
