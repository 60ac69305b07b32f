// How work is cut into parts.
#pragma once

#include <cstddef>

namespace onnxdc {

inline size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

// The numbers from `begin` on, up to but not including `end`.
struct Range {
    size_t begin, end;
};

// Part `index` of 0 .. count - 1, cut into `parts` nearly equal ones.
inline Range part_of(size_t count, size_t parts, size_t index) {
    return {count * index / parts, count * (index + 1) / parts};
}

}  // namespace onnxdc
