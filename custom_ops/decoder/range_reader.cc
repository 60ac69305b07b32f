#include "decoder/range_reader.h"

#include <algorithm>

#include "decoder/decode.h"
#include "decoder/entries.h"
#include "parallel/range.h"

namespace onnxdc {
namespace {

constexpr size_t kMaxBlock = 256;

}  // namespace

Verdict RangeReader::open(const CheckedGroup& group) {
    // A chunk is a whole number of blocks, except the last one, so that block b starts at entry b * block_.
    block_ = std::min<size_t>(kMaxBlock, static_cast<size_t>(group.chunk_size));
    entries_ = static_cast<size_t>(group.entries());
    code_table_ = HuffmanTable(group.code_lengths);
    gap_table_ = HuffmanTable(group.gap_lengths);
    has_gaps_ = group.has_gaps();
    codebook_ = float_codebook(group);
    codes_per_group_ = static_cast<size_t>(group.codes_per_group);
    group_of_ = GroupOfPosition(group.shape, group.groups, group.group_axis);

    EntryDecoder decoder(group);
    if (Verdict broken = decoder.check_sizes()) return broken;
    checkpoints_.assign(divide_up(entries_, block_), {});
    return decoder.for_each_chunk([&](const ChunkEntries& entries) {
        const ChunkStart& start = group.chunks[entries.chunk];
        Checkpoint* checkpoint = checkpoints_.data() + static_cast<size_t>(start.entry) / block_;
        Checkpoint at{8 * static_cast<uint32_t>(start.code_byte), 8 * static_cast<uint32_t>(start.gap_byte),
                      entries.position};
        for (size_t i = 0; i < entries.count; ++i) {
            if (i % block_ == 0) *checkpoint++ = at;
            at.code_bit += group.code_lengths[entries.codes[i]];
            if (has_gaps_) at.gap_bit += group.gap_lengths[entries.gaps[i]];
            at.position += entries.gaps[i] + 1u;
        }
    });
}

void RangeReader::read(BitStream codes, BitStream gaps, uint32_t begin, uint32_t end, float* out) const {
    std::fill(out, out + (end - begin), 0.0f);
    if (begin == end || checkpoints_.empty()) return;
    // The last block that starts at or before `begin`; the first one starts at position 0.
    const auto after = std::upper_bound(
        checkpoints_.begin(), checkpoints_.end(), begin,
        [](uint32_t position, const Checkpoint& checkpoint) { return position < checkpoint.position; });
    uint8_t block_codes[kMaxBlock];
    uint8_t block_gaps[kMaxBlock] = {};
    for (auto block = static_cast<size_t>(after - checkpoints_.begin()) - 1; block < checkpoints_.size(); ++block) {
        const Checkpoint& start = checkpoints_[block];
        if (start.position >= end) break;
        const size_t count = std::min(block_, entries_ - block * block_);
        code_table_.decode(codes, start.code_bit, count, block_codes);
        if (has_gaps_) gap_table_.decode(gaps, start.gap_bit, count, block_gaps);
        uint32_t position = start.position;
        for (size_t i = 0; i < count; ++i, ++position) {
            position += block_gaps[i];
            if (position >= end) break;
            if (position < begin || block_codes[i] == 0) continue;
            out[position - begin] = codebook_[group_of_(position) * codes_per_group_ + block_codes[i]];
        }
    }
}

}  // namespace onnxdc
