#include "core/memory_plan.h"

#include <algorithm>

namespace pysmorch {

void LiveBuffer::use(int first, int last) {
    begin = begin < 0 ? first : std::min(begin, first);
    end = std::max(end, last);
}

size_t assign_in_order(std::vector<LiveBuffer>& buffers) {
    size_t offset = 0;
    for (LiveBuffer& b : buffers) {
        b.offset = offset;
        offset += b.size;
    }
    return offset;
}

namespace {

// For each buffer the one whose memory it has, whose live range becomes that of both.
std::vector<int> resolve_aliases(std::vector<LiveBuffer>& buffers) {
    std::vector<int> root(buffers.size());
    for (size_t i = 0; i < buffers.size(); ++i) {
        int r = int(i);
        while (buffers[size_t(r)].alias >= 0) r = buffers[size_t(r)].alias;
        root[i] = r;
        if (r != int(i)) buffers[size_t(r)].use(buffers[i].begin, buffers[i].end);
    }
    return root;
}

}  // namespace

size_t assign_with_reuse(std::vector<LiveBuffer>& buffers, std::vector<char>& needs_barrier) {
    const std::vector<int> root = resolve_aliases(buffers);
    std::vector<int> order;
    for (size_t i = 0; i < buffers.size(); ++i)
        if (root[i] == int(i) && buffers[i].size > 0) order.push_back(int(i));
    std::sort(order.begin(), order.end(), [&](int a, int b) {
        const LiveBuffer &p = buffers[size_t(a)], &q = buffers[size_t(b)];
        return p.begin != q.begin ? p.begin < q.begin : p.size != q.size ? p.size > q.size : a < b;
    });
    std::vector<const LiveBuffer*> placed;  // by offset
    size_t total = 0;
    for (int i : order) {
        LiveBuffer& b = buffers[size_t(i)];
        size_t offset = 0;
        for (const LiveBuffer* other : placed) {
            if (other->end < b.begin || other->begin > b.end) continue;
            if (offset + b.size <= other->offset) break;
            offset = std::max(offset, other->offset + other->size);
        }
        b.offset = offset;
        total = std::max(total, offset + b.size);
        for (const LiveBuffer* other : placed) {
            const bool overlaps = other->offset < offset + b.size && offset < other->offset + other->size;
            if (other->end < b.begin && overlaps) needs_barrier[size_t(b.begin)] = true;
        }
        auto before = [](const LiveBuffer* p, const LiveBuffer* q) { return p->offset < q->offset; };
        placed.insert(std::upper_bound(placed.begin(), placed.end(), &b, before), &b);
    }
    for (size_t i = 0; i < buffers.size(); ++i) buffers[i].offset = buffers[size_t(root[i])].offset;
    return total;
}

}  // namespace pysmorch
