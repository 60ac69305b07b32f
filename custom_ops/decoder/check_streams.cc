#include "decoder/check_streams.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <utility>

namespace onnxdc {
namespace {

// The limit of docs/format.md section 5: below 2^28 - 16.
constexpr int64_t kMaxStreamBytes = (int64_t{1} << 28) - 17;

Verdict check_sizes(const WeightGroup& group, CheckedGroup* checked) {
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
    const auto* bytes = static_cast<const uint8_t*>(packed.data);
    for (int64_t i = 0; i < packed.numel(); ++i) {
        lengths.push_back(bytes[i] & 15);
        lengths.push_back(bytes[i] >> 4);
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

}  // namespace

Verdict check_streams(const WeightGroup& group, CheckedGroup* checked) {
    Verdict broken = check_sizes(group, checked);
    if (!broken) broken = check_length_counts(group, checked);
    if (!broken) broken = check_length_range("code_lengths", checked->code_lengths);
    if (!broken) broken = check_length_range("gap_lengths", checked->gap_lengths);
    if (!broken) broken = check_kraft("code_lengths", checked->code_lengths, checked->codes);
    if (!broken) broken = check_kraft("gap_lengths", checked->gap_lengths, checked->gaps);
    if (!broken) broken = check_chunks(group, checked);
    return broken;
}

}  // namespace onnxdc
