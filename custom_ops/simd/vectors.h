// Vectors of the compiler's own, in GCC and clang alike: the compiler knows the instructions of every set for them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onnxdc {

// So many floats: in registers, and in memory at any address that a float may have.
template <size_t kCount>
struct Lanes {
    typedef float Vector __attribute__((vector_size(kCount * sizeof(float))));
    typedef float Unaligned __attribute__((vector_size(kCount * sizeof(float)), aligned(sizeof(float))));
};

// The lanes of `a` and then of `b`, counted on, in the order given: clang's name for it, which GCC has since
// version 12.
template <int... kOrder, class Vector>
__attribute__((always_inline)) inline Vector shuffle(Vector a, Vector b) {
#if defined(__clang__) || __GNUC__ >= 12
    return __builtin_shufflevector(a, b, kOrder...);
#else
    typedef int32_t Order __attribute__((vector_size(sizeof(Vector))));
    return __builtin_shuffle(a, b, Order{kOrder...});
#endif
}

}  // namespace onnxdc
