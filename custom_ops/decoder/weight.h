// A decoded weight that is not dense yet: what the decoder hands to the execution layouts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace onnxdc {

// A float32 weight as the list of its nonzeros. What is zero in every group is dropped: filler zeros, and the zeros of
// the dense form. So is its code, and those above it are one lower than in the file.
//
// Nonzero i lies at position[i], an index into the row-major order of `shape`; positions rise strictly. Its value is
//   codebook[group * codes_per_group + code[i]]
// where `group` follows from the position: with `length` = shape[group_axis] and `index` the element's index on that
// axis,
//   group = index / (length / groups).
// With one group, group_axis has no meaning (the weight may even be a scalar) and the group is 0.
struct SparseWeight {
    std::vector<int64_t> shape;      // all dimensions >= 0, product < 2^31
    std::vector<uint32_t> position;  // [nnz], rising strictly, below the number of elements
    std::vector<uint8_t> code;       // [nnz], below codes_per_group
    std::vector<float> codebook;     // [groups, codes_per_group]
    int64_t groups = 1;              // divides shape[group_axis], which may be 0
    int64_t codes_per_group = 0;     // 0..256; times groups below 2^31
    int64_t group_axis = 0;
    std::vector<float> steps;  // [groups], of a grid whose integers are all from -127 to 127; else empty

    // The number of nonzeros.
    int64_t nnz() const { return static_cast<int64_t>(position.size()); }

    // The number of elements of the dense weight.
    int64_t numel() const {
        int64_t product = 1;
        for (int64_t dim : shape) product *= dim;
        return product;
    }
};

// A float32 weight as a code for each element in row-major order. The value of element i is
//   codebook[i / group_span % groups * codes_per_group + code[i]]
// or zero where there is no code. What lies after the last entry has none: its number is only claimed by the file.
struct ElementCodes {
    std::vector<uint8_t> code;    // each below codes_per_group
    std::vector<float> codebook;  // [groups, codes_per_group]
    int64_t groups = 1;
    int64_t codes_per_group = 1;  // 1..256
    int64_t group_span = 1;       // below 2^31
};

// Which group's codebook row the element at a position uses.
class GroupOfPosition {
public:
    GroupOfPosition(const std::vector<int64_t>& shape, int64_t groups, int64_t group_axis) {
        if (groups <= 1) return;
        const auto axis = static_cast<size_t>(group_axis);
        for (size_t i = axis + 1; i < shape.size(); ++i) inner_ *= static_cast<uint32_t>(shape[i]);
        dim_ = static_cast<uint32_t>(shape[axis]);
        dim_per_group_ = static_cast<uint32_t>(shape[axis] / groups);  // 0 of an axis that is 0 long
    }

    size_t operator()(uint32_t position) const { return dim_ == 0 ? 0 : position / inner_ % dim_ / dim_per_group_; }

private:
    uint32_t inner_ = 1;  // so many elements lie between one index of the group axis and the next
    uint32_t dim_ = 0;    // the length of the group axis; 0 also stands for a single group
    uint32_t dim_per_group_ = 1;
};

}  // namespace onnxdc
