// Everything that can be checked of a weight group without decoding it: docs/format.md section 6.
#pragma once

#include <cstdint>
#include <vector>

#include "decoder/huffman.h"
#include "decoder/rules.h"
#include "decoder/weight_group.h"

namespace onnxdc {

// A row of the `chunks` tensor: where a chunk begins. The last row is where the last chunk ends.
struct ChunkStart {
    int32_t entry;
    int32_t code_byte;
    int32_t gap_byte;
    int32_t position;
};

// A weight group that passed. The two streams and the codebook still belong to the model; the small tensors are copies.
struct CheckedGroup {
    std::vector<int64_t> shape;
    int64_t numel = 0;  // below 2^31

    TensorView codebook;  // [groups, codes_per_group], of type codebook.type
    int64_t groups = 1;
    int64_t codes_per_group = 1;  // 1..256; times groups below 2^31
    int64_t group_axis = 0;       // lies inside the rank unless groups is 1
    int32_t dtype = kFloat;

    std::vector<uint8_t> code_lengths;  // one for each symbol
    std::vector<uint8_t> gap_lengths;
    BitStream codes;
    BitStream gaps;  // where it is empty every gap is 0

    int64_t chunk_size = 4096;
    std::vector<ChunkStart> chunks;  // has two rows at least; columns rise from 0, positions to numel at most

    int64_t entries() const { return chunks.back().entry; }
    size_t chunk_count() const { return chunks.size() - 1; }
    bool has_gaps() const { return gaps.nbytes > 0; }
};

// Fills `checked`, or names the first rule of the format's table that the group breaks. The rules that only decoding
// can check (from `truncated` on) are left to decoder/entries.h.
Verdict check_group(const WeightGroup& group, CheckedGroup* checked);

}  // namespace onnxdc
