#include "decoder/check.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>

#include "decoder/check_streams.h"
#include "decoder/crc32.h"

namespace onnxdc {
namespace {

// The limits of docs/format.md section 6.
constexpr int64_t kMaxRank = 32;
constexpr int64_t kMaxElements = (int64_t{1} << 31) - 1;  // of the weight, and of its codebook

bool is_float(int64_t type) { return type == kFloat || type == kFloat16 || type == kDouble || type == kBfloat16; }
bool is_unsigned(int64_t type) { return type == kUint8 || type == kUint4; }
bool is_signed(int64_t type) { return type == kInt8 || type == kInt4; }

// Every group of the format has some tensor for the step: one without elements where there is none.
bool has_step(const WeightGroup& group) { return !(group.step.rank == 1 && group.step.dims[0] == 0); }

// Whether a codebook of floats may have that type: it is not wider than that of the weight.
bool is_float_codebook(int64_t type, int64_t dtype) {
    return is_float(type) && (type == dtype || element_size(type) < element_size(dtype));
}

Verdict check_codebook_type(const WeightGroup& group, CheckedGroup* checked) {
    const int64_t dtype = group.dtype, type = group.codebook.type;
    if (!is_float(dtype) && !is_unsigned(dtype) && !is_signed(dtype)) {
        return violation(Rule::codebook_type, "dtype is %" PRId64 ", expected 1, 2, 3, 10, 11, 16, 21 or 22", dtype);
    }
    const bool fits = is_unsigned(dtype) ? type == kUint8
                      : is_signed(dtype) ? type == kInt8
                      : has_step(group)  ? type == kInt8 || type == kInt16
                                         : is_float_codebook(type, dtype);
    if (!fits) {
        return violation(Rule::codebook_type, "codebook has element type %" PRId64 ", which dtype %" PRId64 " %s", type,
                         dtype, has_step(group) ? "with a step does not have" : "without a step does not have");
    }
    checked->codebook = group.codebook;
    checked->dtype = static_cast<int32_t>(dtype);
    return {};
}

Verdict check_codebook_shape(const WeightGroup& group, CheckedGroup* checked) {
    const TensorView& codebook = group.codebook;
    if (codebook.rank != 2) return violation(Rule::codebook_shape, "codebook has rank %d, expected 2", codebook.rank);
    const int64_t rows = codebook.dims[0], codes = codebook.dims[1];
    if (rows < 1 || codes < 1 || codes > 256 || (has_step(group) && rows != 1)) {
        return violation(Rule::codebook_shape, "codebook is [%" PRId64 ", %" PRId64 "], expected [%s, 1..256]", rows,
                         codes, has_step(group) ? "1" : "1..");
    }
    checked->groups = has_step(group) && group.step.rank > 0 ? group.step.dims[0] : rows;
    checked->codes_per_group = codes;
    if (checked->groups > kMaxElements / codes) {
        return violation(Rule::codebook_shape, "%" PRId64 " groups of %" PRId64 " codes, 2^31 or more", checked->groups,
                         codes);
    }
    return {};
}

// Whether a value of a codebook of bytes is one that four bits hold.
bool is_nibble(uint8_t byte, int64_t dtype) {
    const auto value = static_cast<int8_t>(byte);
    return dtype == kUint4 ? byte <= 15 : value >= -8 && value <= 7;
}

Verdict check_nibbles(const WeightGroup& group) {
    if (group.dtype != kUint4 && group.dtype != kInt4) return {};
    const auto* values = static_cast<const uint8_t*>(group.codebook.data);
    const auto* end = values + group.codebook.dims[0] * group.codebook.dims[1];
    if (std::all_of(values, end, [&](uint8_t value) { return is_nibble(value, group.dtype); })) return {};
    return violation(Rule::codebook_type, "codebook has a value that dtype %" PRId64 " does not hold", group.dtype);
}

// Whether a step is from 2^-100 to 2^100 and, unless the weight is float32, which products are rounded to once, has at
// most four significant bits, so that they are exact.
bool is_step(float step, int64_t dtype) {
    constexpr uint32_t kOtherBits = (1u << 20) - 1;  // of the 24 that a float has
    uint32_t bits;
    std::memcpy(&bits, &step, sizeof bits);
    return step >= 0x1p-100f && step <= 0x1p100f && (dtype == kFloat || (bits & kOtherBits) == 0);
}

Verdict check_step(const WeightGroup& group, CheckedGroup* checked) {
    if (!has_step(group)) return {};
    const TensorView& step = group.step;
    if (step.type != kFloat || step.rank != 2 || step.dims[0] < 1 || step.dims[1] != 1) {
        return violation(Rule::step, "step has element type %d and rank %d, expected float32 [1.., 1] or [0]",
                         step.type, step.rank);
    }
    if (!is_float(group.dtype)) {
        return violation(Rule::step, "there is a step, but dtype is %" PRId64 ", no float", group.dtype);
    }
    for (int64_t g = 0; g < step.dims[0]; ++g) {
        float value;
        std::memcpy(&value, static_cast<const char*>(step.data) + static_cast<size_t>(g) * sizeof value, sizeof value);
        if (!is_step(value, group.dtype)) {
            return violation(Rule::step, "the step of group %" PRId64 " is %a, expected 2^-100..2^100 of few bits", g,
                             static_cast<double>(value));
        }
    }
    checked->step = step;
    return {};
}

Verdict check_tensor_types(const WeightGroup& group) {
    const struct {
        const char* name;
        const TensorView& tensor;
        int32_t type;
    } expected[] = {
        {"code_table", group.code_table, kUint8}, {"codes", group.codes, kUint8}, {"low_bits", group.low_bits, kUint8},
        {"gap_table", group.gap_table, kUint8},   {"gaps", group.gaps, kUint8},   {"extent", group.extent, kInt64},
    };
    for (const auto& [name, tensor, type] : expected) {
        if (tensor.type != type) {
            return violation(Rule::tensor_type, "%s has element type %d, expected %d", name, tensor.type, type);
        }
        if (tensor.rank != 1) return violation(Rule::tensor_type, "%s has rank %d, expected 1", name, tensor.rank);
    }
    return {};
}

Verdict check_shape(CheckedGroup* checked) {
    if (checked->shape.size() > static_cast<size_t>(kMaxRank)) {
        return violation(Rule::extent, "the weight has rank %zu, at most %" PRId64 " is allowed", checked->shape.size(),
                         kMaxRank);
    }
    bool empty = false;
    int64_t product = 1;  // the product of the dimensions other than 0
    for (int64_t dim : checked->shape) {
        if (dim < 0) return violation(Rule::extent, "dimension %" PRId64 " is negative", dim);
        empty |= dim == 0;
        if (dim > kMaxElements / product) return violation(Rule::extent, "the shape has 2^31 elements or more");
        product *= std::max<int64_t>(dim, 1);
    }
    checked->numel = empty ? 0 : product;
    return {};
}

Verdict check_extent(const WeightGroup& group, CheckedGroup* checked) {
    const int64_t size = group.extent.dims[0];
    if (size < 2) return violation(Rule::extent, "extent has %" PRId64 " elements, expected 2 or more", size);
    if (size > 2 + kMaxRank) {
        return violation(Rule::extent, "extent has %" PRId64 " elements, expected at most %" PRId64, size,
                         2 + kMaxRank);
    }
    std::vector<int64_t> extent(static_cast<size_t>(size));
    std::memcpy(extent.data(), group.extent.data, group.extent.nbytes());
    checked->shape.assign(extent.begin() + 2, extent.end());
    if (Verdict broken = check_shape(checked)) return broken;
    checked->entries = extent[0];
    if (checked->entries < 0 || checked->entries > checked->numel) {
        return violation(Rule::extent, "%" PRId64 " entries of %" PRId64 " elements", checked->entries, checked->numel);
    }
    checked->zero_code = extent[1];
    if (checked->zero_code < 0 || checked->zero_code >= checked->codes_per_group) {
        return violation(Rule::extent, "the code of zero is %" PRId64 " of a codebook of %" PRId64, checked->zero_code,
                         checked->codes_per_group);
    }
    return {};
}

Verdict check_groups(const WeightGroup& group, CheckedGroup* checked) {
    checked->group_axis = group.group_axis;
    if (checked->groups == 1) return {};
    const int64_t rank = static_cast<int64_t>(checked->shape.size());
    if (group.group_axis < 0 || group.group_axis >= rank) {
        return violation(Rule::groups, "group_axis is %" PRId64 ", the weight has rank %" PRId64, group.group_axis,
                         rank);
    }
    const int64_t length = checked->shape[static_cast<size_t>(group.group_axis)];
    if (length % checked->groups != 0) {
        return violation(Rule::groups, "%" PRId64 " groups do not divide dimension %" PRId64 " of length %" PRId64,
                         checked->groups, group.group_axis, length);
    }
    return {};
}

// In the gap form the value of the code of zero is zero, to the bit, in every group. With a step it is if its integer
// is. A weight of integers may have any other one there, the same in every group.
Verdict check_zero(CheckedGroup* checked) {
    if (checked->entries > 0 && !checked->has_gaps()) return {};
    const size_t size = element_size(checked->codebook.type);
    const auto codes = static_cast<size_t>(checked->codes_per_group), zero = static_cast<size_t>(checked->zero_code);
    const char zeros[8] = {};
    const void* const least =
        is_float(checked->dtype) ? zeros : static_cast<const char*>(checked->codebook.data) + zero * size;
    for (size_t row = 0; row < static_cast<size_t>(checked->codebook.dims[0]); ++row) {
        const char* value = static_cast<const char*>(checked->codebook.data) + (row * codes + zero) * size;
        if (std::memcmp(value, least, size) != 0) {
            return violation(Rule::zero, "code %" PRId64 " is the code of zero, but its value in row %zu is not that",
                             checked->zero_code, row);
        }
    }
    return {};
}

Verdict check_checksum(const WeightGroup& group) {
    uint32_t crc = 0;
    for (const TensorView* tensor : {&group.codebook, &group.step, &group.code_table, &group.codes, &group.low_bits,
                                     &group.gap_table, &group.gaps, &group.extent}) {
        crc = crc32(crc, tensor->data, tensor->nbytes());
    }
    if (group.checksum != int64_t{crc}) {
        return violation(Rule::checksum, "the CRC-32 is %" PRIu32 ", expected %" PRId64, crc, group.checksum);
    }
    return {};
}

}  // namespace

Verdict check_group(const WeightGroup& group, CheckedGroup* checked) {
    Verdict broken = check_codebook_type(group, checked);
    if (!broken) broken = check_codebook_shape(group, checked);
    if (!broken) broken = check_nibbles(group);
    if (!broken) broken = check_step(group, checked);
    if (!broken) broken = check_tensor_types(group);
    if (!broken) broken = check_extent(group, checked);
    if (!broken) broken = check_groups(group, checked);
    if (!broken) broken = check_packets(group, checked);
    if (!broken) broken = check_zero(checked);
    if (!broken) broken = check_codes(group, checked);
    if (!broken) broken = check_checksum(group);
    return broken;
}

}  // namespace onnxdc
