// Where the windows of convolutions and pooling lie on images. An image is stored as its positions in rows, each with
// all channels.
#pragma once
#include "core/operation.h"

namespace pysmorch {

// The positions of one image that one position of the other image has to do with, along one axis: tap, tap + tap_step,
// ... of the kernel meet position, position + move, ...
struct Taps {
    int count = 0, tap = 0, tap_step = 1;
    ptrdiff_t position = 0, move = 0;

    // The first position and the one after the last; (SIZE_MAX, 0) where there is none.
    std::pair<size_t, size_t> range() const {
        if (count == 0) return {SIZE_MAX, 0};
        const ptrdiff_t last = position + (count - 1) * move;
        return {size_t(std::min(position, last)), size_t(std::max(position, last)) + 1};
    }
};

struct Axis {
    int size = 1, out_size = 1, kernel = 1, stride = 1, dilation = 1, pad = 0;

    // Seen from the output: which positions of the input.
    Taps into(int o) const;
    // Seen from the input: which positions of the output.
    Taps from(int i) const;
    std::vector<Taps> all_into() const;
    std::vector<Taps> all_from() const;
    // The outputs to which a tap brings something of the input.
    std::pair<size_t, size_t> outputs_of(int tap) const;
};

int whole_number(const Description& d, const char* name, int least);

// Numbers of an image. A value has fewer than 2^31, so that nothing overflows.
size_t numbers_of_image(const Description& d, int height, int width, size_t channels);

struct Geometry {
    Axis down, across;
    size_t channels, out_channels;

    explicit Geometry(const Description& d);

    // With the window, of convolutions and pooling.
    static Geometry of_windows(const Description& d);

    size_t positions() const { return size_t(down.size) * size_t(across.size); }
    size_t out_positions() const { return size_t(down.out_size) * size_t(across.out_size); }
    size_t cols() const { return positions() * channels; }
    size_t out_cols() const { return out_positions() * out_channels; }
};

}  // namespace pysmorch
