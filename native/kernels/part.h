// How work is divided: a contiguous share of some units.
#pragma once
#include <cstddef>
#include <utility>

namespace pysmorch {

// Parts `index` .. `index + length` of `count` of some work.
struct Part {
    int index = 0, count = 1, length = 1;
    std::pair<size_t, size_t> of(size_t n) const {
        return {n * size_t(index) / size_t(count), n * size_t(index + length) / size_t(count)};
    }
};

}  // namespace pysmorch
