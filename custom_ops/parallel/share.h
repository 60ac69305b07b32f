// How work is cut into parts.
#pragma once

#include <cstddef>

namespace onnxdc {

inline size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

// A part of 0..count-1.
struct Share {
    size_t begin, end;
};

// Part `index` of `parts` nearly equal ones.
inline Share share(size_t count, size_t parts, size_t index) {
    return {count * index / parts, count * (index + 1) / parts};
}

}  // namespace onnxdc
