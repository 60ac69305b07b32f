// The process's heap.
#pragma once

#include <cstdint>
#include <cstdlib>  // says whether the library is glibc

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace onnxdc {

// Gives what is free back to the system, after a weight of so many entries has become a layout. What it is decoded into
// is several times what stays, and once a large array has been freed, glibc takes the next ones from the heap, which
// keeps them. It costs a millisecond or so: little for a large weight only.
inline void release_free_memory([[maybe_unused]] int64_t entries) {
#if defined(__GLIBC__)
    constexpr int64_t kManyEntries = int64_t{1} << 19;
    if (entries >= kManyEntries) malloc_trim(0);
#endif
}

}  // namespace onnxdc
