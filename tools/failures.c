// Lets the n-th allocation, or the n-th call that reads or writes files, fail: see tools/fail_calls.py. For Linux with glibc.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long allocations_left = -1, calls_left = -1;
static int reason = EIO;

// Smaller ones succeed: Python, NumPy and libraries written in Rust end the process, or forget the exception, where a few bytes lack.
static const size_t SMALLEST = 1024;

// The n-th from now on fails, counted from 0; none for a negative number. Returns what was left of the count before.
long fail_allocation(long n) { return __atomic_exchange_n(&allocations_left, n, __ATOMIC_SEQ_CST); }
long fail_call(long n, int error) {
    reason = error;
    return __atomic_exchange_n(&calls_left, n, __ATOMIC_SEQ_CST);
}

static int fails(long* left) {
    return __atomic_load_n(left, __ATOMIC_RELAXED) >= 0 && __atomic_fetch_sub(left, 1, __ATOMIC_SEQ_CST) == 0;
}

void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

#define UNLESS_FAILED(size, call) return (size) >= SMALLEST && fails(&allocations_left) ? (errno = ENOMEM, NULL) : call
void* malloc(size_t size) { UNLESS_FAILED(size, __libc_malloc(size)); }
void* calloc(size_t count, size_t size) { UNLESS_FAILED(count * size, __libc_calloc(count, size)); }
void* realloc(void* old, size_t size) { UNLESS_FAILED(size, __libc_realloc(old, size)); }
void* memalign(size_t alignment, size_t size) { UNLESS_FAILED(size, __libc_memalign(alignment, size)); }
void* aligned_alloc(size_t alignment, size_t size) { UNLESS_FAILED(size, __libc_memalign(alignment, size)); }
int posix_memalign(void** memory, size_t alignment, size_t size) {
    if (size >= SMALLEST && fails(&allocations_left)) return ENOMEM;
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

#define CALL(type, name, parameters, arguments)                            \
    type name parameters {                                                 \
        type(*next) parameters = (type(*) parameters)dlsym(RTLD_NEXT, #name); \
        if (fails(&calls_left)) return errno = reason, -1;                  \
        return next arguments;                                             \
    }
CALL(ssize_t, write, (int file, const void* from, size_t size), (file, from, size))
CALL(ssize_t, read, (int file, void* to, size_t size), (file, to, size))
CALL(int, fsync, (int file), (file))
CALL(int, flock, (int file, int operation), (file, operation))
CALL(int, rename, (const char* from, const char* to), (from, to))
CALL(int, renameat, (int folder, const char* from, int other, const char* to), (folder, from, other, to))
CALL(int, link, (const char* from, const char* to), (from, to))
CALL(int, unlink, (const char* path), (path))
CALL(int, chmod, (const char* path, mode_t mode), (path, mode))
CALL(off_t, lseek, (int file, off_t offset, int from), (file, offset, from))
CALL(off64_t, lseek64, (int file, off64_t offset, int from), (file, offset, from))

// A file is closed even when that fails.
int close(int file) {
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "close");
    const int closed = next(file);
    return fails(&calls_left) ? (errno = reason, -1) : closed;
}

#define OPEN(name)                                                                                   \
    int name(const char* path, int flags, ...) {                                                     \
        int (*next)(const char*, int, ...) = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, #name); \
        va_list rest;                                                                                \
        va_start(rest, flags);                                                                       \
        const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                \
        va_end(rest);                                                                                \
        if (fails(&calls_left)) return errno = reason, -1;                                           \
        return next(path, flags, mode);                                                              \
    }
OPEN(open)
OPEN(open64)

// NumPy raises the MemoryError of an iterator's buffers without the lock of Python's interpreter, which is a crash within Python. One
// within NumPy, or what it calls, ends the process with this code; the extension's own ends it by the signal.
static int code_of_numpy;
enum { MOST_FRAMES = 64 };

static void at_crash(int number) {
    void* frames[MOST_FRAMES];
    const int count = backtrace(frames, MOST_FRAMES);
    for (int i = 0; i < count; ++i) {
        Dl_info found;
        if (!dladdr(frames[i], &found) || !found.dli_fname) continue;
        if (strstr(found.dli_fname, "_native_")) break;
        if (strstr(found.dli_fname, "_multiarray_umath")) _exit(code_of_numpy);
    }
    signal(number, SIG_DFL);  // the instruction is run again
}

void exit_when_numpy_crashes(int code) {
    void* frame;
    backtrace(&frame, 1);  // loads what it needs
    code_of_numpy = code;
    signal(SIGSEGV, at_crash);
}
