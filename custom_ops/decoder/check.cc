#include "decoder/check.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>

#include "decoder/check_streams.h"
#include "decoder/crc32.h"

namespace onnxdc {
namespace {

// The limits of docs/format.md section 5.
constexpr int64_t kMaxRank = 32;
constexpr int64_t kMaxElements = (int64_t{1} << 31) - 1;  // of the weight, and of its codebook

bool is_weight_type(int64_t type) { return type == kFloat || type == kFloat16 || type == kDouble || type == kBfloat16; }

Verdict check_codebook(const WeightGroup& group, CheckedGroup* checked) {
    const TensorView& codebook = group.codebook;
    if (!is_weight_type(group.dtype)) {
        return violation(Rule::codebook_type, "dtype is %" PRId64 ", expected 1, 10, 11 or 16", group.dtype);
    }
    if (!is_weight_type(codebook.type)) {
        return violation(Rule::codebook_type, "codebook has element type %d, expected 1, 10, 11 or 16", codebook.type);
    }
    const bool both_16_bits = element_size(codebook.type) == 2 && element_size(group.dtype) == 2;
    if (element_size(codebook.type) > element_size(group.dtype) || (both_16_bits && codebook.type != group.dtype)) {
        return violation(Rule::codebook_type, "codebook of element type %d is wider than dtype %" PRId64, codebook.type,
                         group.dtype);
    }
    if (codebook.rank != 2) return violation(Rule::codebook_shape, "codebook has rank %d, expected 2", codebook.rank);
    checked->groups = codebook.dims[0];
    checked->codes_per_group = codebook.dims[1];
    if (checked->groups < 1 || checked->codes_per_group < 1 || checked->codes_per_group > 256) {
        return violation(Rule::codebook_shape, "codebook is [%" PRId64 ", %" PRId64 "], expected [1.., 1..256]",
                         checked->groups, checked->codes_per_group);
    }
    if (checked->groups > kMaxElements / checked->codes_per_group) {
        return violation(Rule::codebook_shape, "codebook is [%" PRId64 ", %" PRId64 "], 2^31 elements or more",
                         checked->groups, checked->codes_per_group);
    }
    const size_t row_bytes = static_cast<size_t>(checked->codes_per_group) * element_size(codebook.type);
    const char zero[8] = {};
    for (int64_t g = 0; g < checked->groups; ++g) {
        const char* entry = static_cast<const char*>(codebook.data) + static_cast<size_t>(g) * row_bytes;
        if (std::memcmp(entry, zero, element_size(codebook.type)) != 0) {
            return violation(Rule::codebook_zero, "entry 0 of codebook row %" PRId64 " is not +0.0", g);
        }
    }
    checked->codebook = codebook;
    checked->dtype = static_cast<int32_t>(group.dtype);
    return {};
}

Verdict check_tensor_types(const WeightGroup& group) {
    const struct {
        const char* name;
        const TensorView& tensor;
        int32_t type, rank;
    } expected[] = {
        {"code_lengths", group.code_lengths, kUint8, 1},
        {"codes", group.codes, kUint8, 1},
        {"gap_lengths", group.gap_lengths, kUint8, 1},
        {"gaps", group.gaps, kUint8, 1},
        {"chunks", group.chunks, kInt32, 2},
        {"shape", group.shape, kInt64, 1},
    };
    for (const auto& [name, tensor, type, rank] : expected) {
        if (tensor.type != type) {
            return violation(Rule::tensor_type, "%s has element type %d, expected %d", name, tensor.type, type);
        }
        if (tensor.rank != rank) {
            return violation(Rule::tensor_type, "%s has rank %d, expected %d", name, tensor.rank, rank);
        }
    }
    if (group.chunks.dims[1] != 4) {
        return violation(Rule::tensor_type, "chunks has %" PRId64 " columns, expected 4", group.chunks.dims[1]);
    }
    return {};
}

Verdict check_shape(const WeightGroup& group, CheckedGroup* checked) {
    if (group.shape.dims[0] > kMaxRank) {
        return violation(Rule::shape, "the weight has rank %" PRId64 ", at most %" PRId64 " is allowed",
                         group.shape.dims[0], kMaxRank);
    }
    checked->shape.resize(static_cast<size_t>(group.shape.dims[0]));
    if (!checked->shape.empty()) std::memcpy(checked->shape.data(), group.shape.data, group.shape.nbytes());
    bool empty = false;
    int64_t product = 1;  // the product of the dimensions other than 0
    for (int64_t dim : checked->shape) {
        if (dim < 0) return violation(Rule::shape, "dimension %" PRId64 " is negative", dim);
        empty |= dim == 0;
        if (dim > kMaxElements / product) return violation(Rule::shape, "the shape has 2^31 elements or more");
        product *= std::max<int64_t>(dim, 1);
    }
    checked->numel = empty ? 0 : product;
    return {};
}

Verdict check_attributes(const WeightGroup& group, CheckedGroup* checked) {
    const int64_t rank = static_cast<int64_t>(checked->shape.size());
    checked->group_axis = group.group_axis;
    if (checked->groups > 1) {
        if (group.group_axis < 0 || group.group_axis >= rank) {
            return violation(Rule::groups, "group_axis is %" PRId64 ", the weight has rank %" PRId64, group.group_axis,
                             rank);
        }
        const int64_t length = checked->shape[static_cast<size_t>(group.group_axis)];
        if (length % checked->groups != 0) {
            return violation(Rule::groups, "%" PRId64 " groups do not divide dimension %" PRId64 " of length %" PRId64,
                             checked->groups, group.group_axis, length);
        }
    }
    if (group.index_bits < 1 || group.index_bits > 8) {
        return violation(Rule::index_bits, "index_bits is %" PRId64 ", expected 1..8", group.index_bits);
    }
    const int64_t size = group.chunk_size;
    if (size < 64 || size > 65536 || (size & (size - 1)) != 0) {
        return violation(Rule::chunk_size, "chunk_size is %" PRId64 ", expected a power of two in 64..65536", size);
    }
    checked->chunk_size = size;
    return {};
}

Verdict check_checksum(const WeightGroup& group) {
    uint32_t crc = 0;
    for (const TensorView* tensor : {&group.codebook, &group.code_lengths, &group.codes, &group.gap_lengths,
                                     &group.gaps, &group.chunks, &group.shape}) {
        crc = crc32(crc, tensor->data, tensor->nbytes());
    }
    if (group.checksum != int64_t{crc}) {
        return violation(Rule::checksum, "the CRC-32 is %" PRIu32 ", expected %" PRId64, crc, group.checksum);
    }
    return {};
}

}  // namespace

Verdict check_group(const WeightGroup& group, CheckedGroup* checked) {
    Verdict broken = check_codebook(group, checked);
    if (!broken) broken = check_tensor_types(group);
    if (!broken) broken = check_shape(group, checked);
    if (!broken) broken = check_attributes(group, checked);
    if (!broken) broken = check_streams(group, checked);
    if (!broken) broken = check_checksum(group);
    return broken;
}

}  // namespace onnxdc
