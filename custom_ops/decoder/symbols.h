// Decoding all packets of a stream, on several threads where it pays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "decoder/packet_decoder.h"
#include "decoder/rules.h"

namespace onnxdc {

// What a stream holds.
struct Symbols {
    std::vector<uint8_t> values;      // one for each entry
    std::vector<uint16_t> of_packet;  // how many each packet has, fill symbols included; nothing for a plain stream
};

// Decodes the stream `name`, which has packets, for `entries` symbols. Nothing is allocated before it is sure that the
// stream has the bytes for them. Names the rule that the stream breaks, `truncated` or `packet-fill`.
Verdict decode_symbols(const char* name, const PacketDecoder& decoder, const Packets& packets, size_t entries,
                       Symbols* symbols);

}  // namespace onnxdc
