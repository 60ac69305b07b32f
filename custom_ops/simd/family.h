// Kernels that do the same with different instructions: a family is a list of them, the best first.
#pragma once

#include <cstddef>

#include "isa/features.h"

namespace onnxdc {

template <class Kernels>
struct Variant {
    Features needs;
    Kernels kernels;
};

// The first of a family that needs no more than `features`. The last of every family needs nothing.
template <class Kernels, size_t kCount>
Kernels best_of(const Variant<Kernels> (&family)[kCount], Features features) {
    const Variant<Kernels>* variant = family;
    while (!has_all(features, variant->needs)) ++variant;
    return variant->kernels;
}

}  // namespace onnxdc
