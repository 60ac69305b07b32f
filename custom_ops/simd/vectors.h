// Vectors of the compiler's own, in GCC and clang alike: the compiler knows the instructions of every set for them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onnxdc {

template <size_t kCount>
struct UnalignedFloatsOf {
    typedef float Vector __attribute__((vector_size(kCount * sizeof(float)), aligned(sizeof(float))));
};

// So many floats, at any address that one may have.
template <size_t kCount>
using UnalignedFloats = typename UnalignedFloatsOf<kCount>::Vector;

// The lanes of `a` and then of `b`, counted on, in the order given: clang's name for it, which GCC has since
// version 12.
template <int... kOrder, class Vector>
__attribute__((always_inline)) inline Vector shuffle(const Vector& a, const Vector& b) {
#if defined(__clang__) || __GNUC__ >= 12
    return __builtin_shufflevector(a, b, kOrder...);
#else
    typedef int32_t Order __attribute__((vector_size(sizeof(Vector))));
    return __builtin_shuffle(a, b, Order{kOrder...});
#endif
}

}  // namespace onnxdc
