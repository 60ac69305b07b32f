// A weight group as it lies in a model, nothing of it trusted: docs/format.md section 2.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onnxdc {

// Element types, numbered as ONNX's TensorProto.DataType. The runtime and the Python side use the same numbers.
enum ElementType : int32_t {
    kFloat = 1,
    kUint8 = 2,
    kInt8 = 3,
    kInt16 = 5,
    kInt32 = 6,
    kInt64 = 7,
    kFloat16 = 10,
    kDouble = 11,
    kBfloat16 = 16,
    kUint4 = 21,
    kInt4 = 22,
};

// The bytes of an element, 0 for a type that occurs nowhere in a weight group or a decoded weight. A decoded element of
// four bits is the lower nibble of a byte of its own, as in numpy; two of them share one in an ONNX tensor only.
constexpr size_t element_size(int64_t type) {
    switch (type) {
        case kUint8:
        case kInt8:
        case kUint4:
        case kInt4: return 1;
        case kInt16:
        case kFloat16:
        case kBfloat16: return 2;
        case kFloat:
        case kInt32: return 4;
        case kInt64:
        case kDouble: return 8;
        default: return 0;
    }
}

// A tensor in row-major order that someone else owns. `data` may be unaligned, and null if there are no elements.
struct TensorView {
    const void* data = nullptr;
    const int64_t* dims = nullptr;
    int32_t rank = 0;
    int32_t type = 0;

    int64_t numel() const {
        int64_t product = 1;
        for (int32_t axis = 0; axis < rank; ++axis) product *= dims[axis];
        return product;
    }

    size_t nbytes() const { return static_cast<size_t>(numel()) * element_size(type); }
};

// How many tensors a group has.
constexpr size_t kGroupTensors = 8;

// The eight tensors in the order of the format, and the attributes. onnxdc/runtime/native.py declares the same
// structure.
struct WeightGroup {
    TensorView codebook;
    TensorView step;
    TensorView code_table;
    TensorView codes;
    TensorView low_bits;
    TensorView gap_table;
    TensorView gaps;
    TensorView extent;
    int64_t checksum = 0;
    int64_t packet = 64;
    int64_t group_axis = 0;
    int64_t dtype = kFloat;
};

}  // namespace onnxdc
