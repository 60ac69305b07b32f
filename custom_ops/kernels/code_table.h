// A weight as a byte for each element, for tables of which few rows are asked for at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "decoder/weight.h"
#include "isa/isa.h"
#include "simd/lookup.h"

namespace onnxdc {

// Takes a quarter of the memory of the dense weight.
class CodeTable {
public:
    CodeTable() = default;
    CodeTable(ElementCodes weight, Isa isa);

    // Writes elements begin .. end - 1, in row-major order; `end` is at most the number of elements. Threads may read
    // at the same time.
    void read(size_t begin, size_t end, float* out) const;

private:
    std::vector<uint8_t> codes_;  // up to the last element that has one
    std::vector<float> values_;   // [groups_, stride_]
    size_t groups_ = 1;
    size_t stride_ = 0;
    size_t span_ = 1;  // so many elements in a row are of the same group
    LookUp look_up_ = nullptr;
};

}  // namespace onnxdc
