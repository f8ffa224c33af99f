#include "operations/geometry.h"

#include <cmath>

namespace pysmorch {

Taps Axis::into(int o) const {
    Taps t;
    const int origin = o * stride - pad;
    const int first = origin < 0 ? (-origin + dilation - 1) / dilation : 0;
    const int end = size > origin ? std::min(kernel, (size - 1 - origin) / dilation + 1) : 0;
    t.count = std::max(0, end - first);
    t.tap = first;
    t.position = origin + ptrdiff_t(first) * dilation;
    t.move = dilation;
    return t;
}

Taps Axis::from(int i) const {
    Taps t;
    for (int k = 0; k < kernel; ++k) {
        const int distance = i + pad - k * dilation;
        if (distance < 0 || distance % stride != 0 || distance / stride >= out_size) continue;
        const int position = distance / stride;
        if (t.count == 0) {
            t.tap = k;
            t.position = position;
        } else if (t.count == 1) {
            t.tap_step = k - t.tap;
            t.move = position - t.position;
        }
        ++t.count;
    }
    return t;
}

std::vector<Taps> Axis::all_into() const {
    std::vector<Taps> all;
    for (int o = 0; o < out_size; ++o) all.push_back(into(o));
    return all;
}

std::vector<Taps> Axis::all_from() const {
    std::vector<Taps> all;
    for (int i = 0; i < size; ++i) all.push_back(from(i));
    return all;
}

std::pair<size_t, size_t> Axis::outputs_of(int tap) const {
    int first = 0, end = out_size;
    while (first < end && first * stride - pad + tap * dilation < 0) ++first;
    while (end > first && (end - 1) * stride - pad + tap * dilation >= size) --end;
    return {size_t(first), size_t(end)};
}

int whole_number(const Description& d, const char* name, int least) {
    const double value = d.number(name);
    require(value == std::floor(value) && value >= least && value < double(1 << 24),
            d.kind + ": " + name + " is out of range");
    return int(value);
}

size_t numbers_of_image(const Description& d, int height, int width, size_t channels) {
    require(double(height) * double(width) * double(channels) < 2147483648.0, d.kind + ": the sizes are out of range");
    return size_t(height) * size_t(width) * channels;
}

Geometry::Geometry(const Description& d)
    : down{whole_number(d, "height", 1), whole_number(d, "out_height", 1), 1, 1, 1, 0},
      across{whole_number(d, "width", 1), whole_number(d, "out_width", 1), 1, 1, 1, 0},
      channels(size_t(whole_number(d, "channels", 1))), out_channels(size_t(whole_number(d, "out_channels", 1))) {
    numbers_of_image(d, down.size, across.size, channels);
    numbers_of_image(d, down.out_size, across.out_size, out_channels);
}

Geometry Geometry::of_windows(const Description& d) {
    Geometry g(d);
    g.down.kernel = whole_number(d, "kernel_height", 1);
    g.across.kernel = whole_number(d, "kernel_width", 1);
    g.down.stride = whole_number(d, "stride_height", 1);
    g.across.stride = whole_number(d, "stride_width", 1);
    g.down.dilation = whole_number(d, "dilation_height", 1);
    g.across.dilation = whole_number(d, "dilation_width", 1);
    g.down.pad = whole_number(d, "pad_top", 0);
    g.across.pad = whole_number(d, "pad_left", 0);
    for (const Axis& a : {g.down, g.across}) {
        const double reach = double(a.out_size) * a.stride + double(a.kernel) * a.dilation + a.pad;
        require(reach < double(1 << 30), d.kind + ": the sizes are out of range");
        // The zeros after the image are as many as those before it, or one more.
        const int64_t padded = int64_t(a.size) + 2 * int64_t(a.pad),
                      covered = int64_t(a.out_size - 1) * a.stride + int64_t(a.kernel - 1) * a.dilation + 1;
        require(covered <= padded + 1 && covered + a.stride > padded, d.kind + ": the windows do not fit the image");
    }
    return g;
}

}  // namespace pysmorch
