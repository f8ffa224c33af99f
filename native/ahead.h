// What is asked for before it is needed. It comes from far, and a processor has only so many lines of memory on their way: asked for
// little by little while a product is made, they keep nobody waiting.
#pragma once
#include <algorithm>

#include "data.h"

namespace pysmorch {

// Rows of the next batch.
class NextRows {
  public:
    NextRows() = default;
    NextRows(const Rows& rows, const int64_t* order, size_t count) : rows_(rows), order_(order), last_(order + count) {}

    void ask() {
        for (int lines = LINES; lines > 0; --lines, at_ += LINE) {
            if (at_ >= end_) {
                if (order_ == last_) return;
                at_ = rows_.at(size_t(*order_++), 0);
                end_ = at_ + rows_.cols * rows_.size();
            }
            __builtin_prefetch(at_, 0, 2);
        }
    }

  private:
    static constexpr int LINES = 4;   // at a time
    Rows rows_;
    const int64_t *order_ = nullptr, *last_ = nullptr;
    const char *at_ = nullptr, *end_ = nullptr;
};

// What is changed when a product is made: some rows of up to three arrays.
struct Wanted {
    const char* arrays[3] = {};
    size_t stride = 0, rows = 0, bytes = 0;   // bytes from a row to the next, and of a row
    NextRows* next = nullptr;

    // Asks for what is due when `done` parts of the product are made, with so many rows for a part.
    void ask(size_t done, size_t at_a_time) const {
        const size_t end = std::min(rows, (done + 1) * at_a_time);
        for (const char* array : arrays)
            for (size_t r = done * at_a_time; array && r < end; ++r)
                for (const char *line = array + r * stride, *last = line + bytes; line < last; line += LINE) __builtin_prefetch(line, 1, 2);
        if (next) next->ask();
    }
};

}  // namespace pysmorch
