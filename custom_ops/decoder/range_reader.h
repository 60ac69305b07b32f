// Decoding only a part of a weight, straight from its bitstreams: for tables of which few rows are asked for at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "decoder/check.h"
#include "decoder/weight.h"

namespace onnxdc {

// Keeps no decoded weight, only where to start decoding: a checkpoint every 256 entries (12 bytes; below half a bit an
// entry). A read costs the decoding of its own entries and of at most 256 before them.
class RangeReader {
public:
    // Reads all of both streams once: finds the checkpoints, and checks every entry.
    Verdict open(const CheckedGroup& group);

    // Elements begin .. end - 1, in row-major order, of the float32 weight. The streams are those of the group that was
    // opened, which the reader does not keep; a stream of another content yields wrong values, but no access outside
    // `out`. Threads may read at the same time.
    void read(BitStream codes, BitStream gaps, uint32_t begin, uint32_t end, float* out) const;

private:
    // The state of decoding before an entry.
    struct Checkpoint {
        uint32_t code_bit;
        uint32_t gap_bit;
        uint32_t position;  // where the entry's gap counts from
    };

    std::vector<Checkpoint> checkpoints_;  // one for each block of block_ entries
    size_t block_ = 0;
    size_t entries_ = 0;
    HuffmanTable code_table_;
    HuffmanTable gap_table_;
    bool has_gaps_ = false;
    std::vector<float> codebook_;
    size_t codes_per_group_ = 1;
    GroupOfPosition group_of_{{}, 1, 0};
};

}  // namespace onnxdc
