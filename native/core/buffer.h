// Memory of a program: buffers that grow, and what a thread needs while it computes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace pysmorch {

constexpr size_t OWN_PAGES_FROM = 4 << 20;  // bytes

// Requests huge pages where there is much memory: steps of networks for images take 5 to 8 per cent less time with
// them.
inline void prefer_huge_pages(void* begin, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    constexpr uintptr_t PAGE = 4096;
    const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + PAGE - 1) / PAGE * PAGE;
    const uintptr_t last = (reinterpret_cast<uintptr_t>(begin) + bytes) / PAGE * PAGE;
    madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
    (void)begin, (void)bytes;
#endif
}

// While there is one, buffers are not made: their bytes are counted.
class DryRun {
  public:
    DryRun() : before_(current()) { current() = this; }
    ~DryRun() { current() = before_; }
    DryRun(const DryRun&) = delete;
    DryRun& operator=(const DryRun&) = delete;
    static DryRun*& current() {
        static thread_local DryRun* dry_run = nullptr;
        return dry_run;
    }
    size_t bytes = 0;

  private:
    DryRun* before_;
};

template <class T> class Buffer {
  public:
    // Room for n entries, zero when new.
    T* get(size_t n) {
        if (DryRun* dry_run = DryRun::current()) {
            dry_run->bytes += n * sizeof(T);
            return nullptr;
        }
        if (n > size_) {
            if (n > (size_t(1) << 46) / sizeof(T)) throw std::bad_alloc();
            data_.reset();
            size_ = 0;
            data_ = make(n * sizeof(T) + 256);
            size_ = n;
        }
        return data_.get();
    }
    T* get() const { return data_.get(); }

  private:
    struct Free {
        size_t mapped = 0;  // bytes that are pages of their own
        void operator()(T* p) const {
#if defined(__linux__)
            if (mapped) {
                munmap(p, mapped);
                return;
            }
#endif
            ::operator delete(p, std::align_val_t(64));
        }
    };
    using Memory = std::unique_ptr<T, Free>;

    static Memory make(size_t bytes) {
#if defined(__linux__)
        // New pages are zero when they are first used, by the threads that use them: setting gigabytes to zero here
        // would take seconds, in which no signal is answered.
        if (bytes >= OWN_PAGES_FROM) {
            void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (pages == MAP_FAILED) throw std::bad_alloc();
            prefer_huge_pages(pages, bytes);
            return Memory(static_cast<T*>(pages), Free{bytes});
        }
#endif
        void* memory = ::operator new(bytes, std::align_val_t(64));
        std::memset(memory, 0, bytes);
        return Memory(static_cast<T*>(memory), Free{});
    }

    Memory data_;
    size_t size_ = 0;
};

// What one thread needs for a moment. It stays in the L2 cache, but for what is larger.
template <class T> struct Workspace {
    static constexpr size_t SIZE = 40960;
    alignas(64) T c[SIZE];
    Buffer<T> more;
    Buffer<T> rows;  // of an image that is not stored
};

}  // namespace pysmorch
