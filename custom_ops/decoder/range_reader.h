// Decoding only a part of a weight, straight from its streams: for tables of which few rows are asked for at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "decoder/check.h"
#include "decoder/packet_decoder.h"
#include "decoder/weight.h"

namespace onnxdc {

// The bytes of a group that hold its entries.
struct EntryBytes {
    const uint8_t* codes;
    const uint8_t* low_bits;
    const uint8_t* gaps;
};

// Keeps no decoded weight, only where to start decoding: a checkpoint every 256 entries (16 bytes; half a bit an
// entry). A read costs the decoding of its own entries, of at most 256 before them, and of a packet or two.
class RangeReader {
public:
    // Decodes all of both streams once: finds the checkpoints, and checks every entry.
    Verdict open(const CheckedGroup& group);

    // Elements begin .. end - 1, in row-major order, of the float32 weight. The bytes are those of the group that was
    // opened, which the reader does not keep; bytes of another content yield wrong values, but no access outside `out`.
    // Threads may read at the same time.
    void read(const EntryBytes& bytes, uint32_t begin, uint32_t end, float* out) const;

private:
    struct Checkpoint {
        uint32_t code_packet;
        uint32_t gap_packet;
        uint16_t code_skip;
        uint16_t gap_skip;
        uint32_t position;  // where the entry's gap counts from
    };

    void place(const std::vector<uint16_t>& symbols_of_packet, uint32_t Checkpoint::* packet,
               uint16_t Checkpoint::* skip);

    std::vector<Checkpoint> checkpoints_;  // one for each block of entries
    size_t entries_ = 0;
    Packets codes_;  // without their data
    Packets gaps_;
    PacketDecoder code_decoder_;
    PacketDecoder gap_decoder_;
    std::vector<float> codebook_;
    size_t codes_per_group_ = 1;
    GroupOfPosition group_of_{{}, 1, 0};
};

}  // namespace onnxdc
