#include "decoder/check.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>

#include "decoder/crc32.h"

namespace onnxdc {
namespace {

constexpr int64_t kMaxRank = 32;
constexpr int64_t kMaxElements = (int64_t{1} << 31) - 1;
constexpr int64_t kMaxStreamBytes = (int64_t{1} << 28) - 17;

bool is_weight_type(int64_t type) { return type == kFloat || type == kFloat16 || type == kDouble || type == kBfloat16; }

template <class T>
std::vector<T> copy_of(const TensorView& tensor) {
    std::vector<T> values(static_cast<size_t>(tensor.numel()));
    if (!values.empty()) std::memcpy(values.data(), tensor.data, values.size() * sizeof(T));
    return values;
}

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
    checked->shape = copy_of<int64_t>(group.shape);
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

Verdict check_streams(const WeightGroup& group, CheckedGroup* checked) {
    for (const auto& [name, tensor] : {std::pair{"codes", &group.codes}, std::pair{"gaps", &group.gaps}}) {
        if (tensor->dims[0] > kMaxStreamBytes) {
            return violation(Rule::stream_size, "%s has %" PRId64 " bytes, at most %" PRId64 " are allowed", name,
                             tensor->dims[0], kMaxStreamBytes);
        }
    }
    const auto stream = [](const TensorView& tensor) {
        return BitStream{static_cast<const uint8_t*>(tensor.data), tensor.nbytes()};
    };
    checked->codes = stream(group.codes);
    checked->gaps = stream(group.gaps);
    return {};
}

// Unpacks the nibbles: the even symbol is in the low one.
std::vector<uint8_t> unpack_lengths(const TensorView& packed) {
    std::vector<uint8_t> lengths;
    for (uint8_t byte : copy_of<uint8_t>(packed)) {
        lengths.push_back(byte & 15);
        lengths.push_back(byte >> 4);
    }
    return lengths;
}

Verdict check_length_counts(const WeightGroup& group, CheckedGroup* checked) {
    const int64_t codes = checked->codes_per_group;
    const int64_t gaps = int64_t{1} << group.index_bits;
    if (group.code_lengths.dims[0] != (codes + 1) / 2) {
        return violation(Rule::length_count,
                         "code_lengths has %" PRId64 " bytes, expected %" PRId64 " for %" PRId64 " codes",
                         group.code_lengths.dims[0], (codes + 1) / 2, codes);
    }
    if (group.gap_lengths.dims[0] > gaps / 2) {
        return violation(Rule::length_count,
                         "gap_lengths has %" PRId64 " bytes, at most %" PRId64 " for index_bits %" PRId64,
                         group.gap_lengths.dims[0], gaps / 2, group.index_bits);
    }
    checked->code_lengths = unpack_lengths(group.code_lengths);
    checked->gap_lengths = unpack_lengths(group.gap_lengths);
    if (codes % 2 == 1 && checked->code_lengths.back() != 0) {
        return violation(Rule::length_count,
                         "code_lengths gives a length to code %" PRId64 " of a codebook of %" PRId64, codes, codes);
    }
    return {};
}

Verdict check_length_range(const char* name, const std::vector<uint8_t>& lengths) {
    for (uint8_t length : lengths) {
        if (length > kMaxCodeLength) {
            return violation(Rule::length_range, "%s has a code length of %d, at most %d is allowed", name, length,
                             kMaxCodeLength);
        }
    }
    return {};
}

Verdict check_kraft(const char* name, const std::vector<uint8_t>& lengths, BitStream stream) {
    const auto used = static_cast<int64_t>(lengths.size()) - std::count(lengths.begin(), lengths.end(), 0);
    if (used == 0 && stream.nbytes > 0) {
        return violation(Rule::kraft, "%s uses no symbol, but the stream has %zu bytes", name, stream.nbytes);
    }
    const bool lone = used == 1 && std::count(lengths.begin(), lengths.end(), 1) == 1;
    if (used > 0 && !lone && !is_complete_code(lengths)) {
        return violation(Rule::kraft, "the lengths of %s form no complete code", name);
    }
    return {};
}

Verdict check_chunks(const WeightGroup& group, CheckedGroup* checked) {
    checked->chunks.resize(static_cast<size_t>(group.chunks.dims[0]));
    if (!checked->chunks.empty()) std::memcpy(checked->chunks.data(), group.chunks.data, group.chunks.nbytes());
    const auto& chunks = checked->chunks;
    if (chunks.size() < 2) {
        return violation(Rule::chunk_count, "chunks has %zu rows, expected at least 2", chunks.size());
    }
    const int64_t entries = chunks.back().entry;
    const int64_t expected = std::max<int64_t>(1, (entries + checked->chunk_size - 1) / checked->chunk_size);
    const int64_t count = static_cast<int64_t>(chunks.size()) - 1;
    if (count != expected) {
        return violation(Rule::chunk_count, "%" PRId64 " chunks for %" PRId64 " entries, expected %" PRId64, count,
                         entries, expected);
    }

    const ChunkStart& first = chunks.front();
    if (first.entry != 0 || first.code_byte != 0 || first.gap_byte != 0 || first.position != 0) {
        return violation(Rule::chunk_order, "the first row of chunks is not zero");
    }
    for (size_t c = 1; c < chunks.size(); ++c) {
        const ChunkStart &from = chunks[c - 1], &to = chunks[c];
        if (to.entry < from.entry || to.code_byte < from.code_byte || to.gap_byte < from.gap_byte ||
            to.position < from.position) {
            return violation(Rule::chunk_order, "row %zu of chunks lies before row %zu", c, c - 1);
        }
        if (c + 1 < chunks.size() && int64_t{to.entry} - from.entry != checked->chunk_size) {
            return violation(Rule::chunk_order, "chunk %zu has %d entries, expected %" PRId64, c - 1,
                             to.entry - from.entry, checked->chunk_size);
        }
    }
    const ChunkStart& last = chunks.back();
    if (static_cast<size_t>(last.code_byte) != checked->codes.nbytes ||
        static_cast<size_t>(last.gap_byte) != checked->gaps.nbytes) {
        return violation(Rule::chunk_end, "chunks end at bytes %d and %d of streams of %zu and %zu bytes",
                         last.code_byte, last.gap_byte, checked->codes.nbytes, checked->gaps.nbytes);
    }
    if (last.position > checked->numel) {
        return violation(Rule::chunk_end, "chunks end at position %d of %" PRId64 " elements", last.position,
                         checked->numel);
    }
    if (!checked->has_gaps() && entries != 0 && entries != checked->numel) {
        return violation(Rule::no_gaps, "no gaps for %" PRId64 " entries of %" PRId64 " elements", entries,
                         checked->numel);
    }
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
    if (!broken) broken = check_length_counts(group, checked);
    if (!broken) broken = check_length_range("code_lengths", checked->code_lengths);
    if (!broken) broken = check_length_range("gap_lengths", checked->gap_lengths);
    if (!broken) broken = check_kraft("code_lengths", checked->code_lengths, checked->codes);
    if (!broken) broken = check_kraft("gap_lengths", checked->gap_lengths, checked->gaps);
    if (!broken) broken = check_chunks(group, checked);
    if (!broken) broken = check_checksum(group);
    return broken;
}

}  // namespace onnxdc
