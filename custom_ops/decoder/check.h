// Everything that can be checked of a weight group without decoding it: docs/format.md section 7.
#pragma once

#include <cstdint>
#include <vector>

#include "decoder/huffman.h"
#include "decoder/packets.h"
#include "decoder/rules.h"
#include "decoder/weight_group.h"

namespace onnxdc {

// A weight group that passed. The large tensors still belong to the model; the small ones are copies.
struct CheckedGroup {
    std::vector<int64_t> shape;
    int64_t numel = 0;    // below 2^31
    int64_t entries = 0;  // 0..numel
    int32_t dtype = kFloat;

    // The value of code c in group g: codebook[g][c], or, with a step, codebook[0][c] * step[g].
    TensorView codebook;
    TensorView step;  // float32 [groups, 1], or of another rank: there is none
    int64_t groups = 1;
    int64_t codes_per_group = 1;  // 1..256; times groups below 2^31
    int64_t group_axis = 0;       // lies inside the rank unless groups is 1
    int64_t zero_code = 0;        // its value is zero in the gap form; means nothing in the dense form

    HuffmanCode code_code;  // what the codewords of `codes` stand for
    HuffmanCode gap_code;
    Packets codes;
    Packets gaps;                       // none in the dense form, where entry i lies at position i
    const uint8_t* low_bits = nullptr;  // [ceil(entries / 2)], or null: the codes have none

    size_t low_nbytes() const { return low_bits ? static_cast<size_t>(entries + 1) / 2 : 0; }
    bool has_step() const { return step.rank == 2; }
    bool has_gaps() const { return gaps.count > 0; }
};

// Fills `checked`, or names the first rule of the format's table that the group breaks. The rules that only decoding
// can check (from `truncated` on) are left to decoder/entries.h.
Verdict check_group(const WeightGroup& group, CheckedGroup* checked);

}  // namespace onnxdc
