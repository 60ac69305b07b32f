// The allocations of a test program: one of them can be made to fail, and the most bytes held at a time are known. To
// be included in one file of a program, which it gives its operators new and delete.
#pragma once

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#include "fake_runtime.h"

namespace onnxdc {

// So many allocations of this thread, those of the runtime apart, succeed before one fails; negative for no limit.
inline thread_local long allocations_left = -1;

// Bytes that are held now, and the most there were.
inline std::atomic<size_t> held_bytes{0}, peak_bytes{0};

// Not inlined, so that the compiler takes no pair of them for a mismatch.
[[gnu::noinline]] inline void* take(size_t nbytes, size_t alignment) {
    void* memory = nullptr;
    if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), std::max<size_t>(nbytes, 1)) != 0) return nullptr;
    const size_t held = held_bytes += malloc_usable_size(memory);
    for (size_t peak = peak_bytes; peak < held && !peak_bytes.compare_exchange_weak(peak, held);) {
    }
    return memory;
}

inline void* take_or_throw(size_t nbytes, size_t alignment) {
    if (fake::depth == 0 && allocations_left >= 0 && allocations_left-- == 0) throw std::bad_alloc();
    void* memory = take(nbytes, alignment);
    if (!memory) throw std::bad_alloc();
    return memory;
}

[[gnu::noinline]] inline void give_back(void* memory) {
    if (memory) held_bytes -= malloc_usable_size(memory);
    std::free(memory);
}

}  // namespace onnxdc

void* operator new(size_t nbytes) { return onnxdc::take_or_throw(nbytes, 16); }
void* operator new(size_t nbytes, std::align_val_t alignment) {
    return onnxdc::take_or_throw(nbytes, static_cast<size_t>(alignment));
}
// Where it is asked for, the caller does without: std::stable_sort.
void* operator new(size_t nbytes, const std::nothrow_t&) noexcept { return onnxdc::take(nbytes, 16); }
void operator delete(void* memory) noexcept { onnxdc::give_back(memory); }
void operator delete(void* memory, size_t) noexcept { onnxdc::give_back(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { onnxdc::give_back(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { onnxdc::give_back(memory); }
