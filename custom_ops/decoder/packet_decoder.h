// Decoding packets: docs/format.md section 4.
//
// Why it is fast: codewords have at most 12 bits, so one lookup in a table of 4096 entries (16 KB, near the processor)
// yields up to three symbols; one 64-bit load serves four lookups (7 + 4 * 12 < 64); and since each lookup depends on
// the length that the one before found, a single packet is bound by latency, which four packets in flight hide.
#pragma once

#include <cstddef>
#include <cstdint>

#include "decoder/huffman.h"
#include "decoder/packets.h"

namespace onnxdc {

constexpr size_t kLanes = 4;

// Knows the code of a stream, not its bytes: those may be anything, nothing else is read.
class PacketDecoder {
public:
    // So many bytes may be written from the first symbol of the last packet on.
    static constexpr size_t kRoom = 24 * kMaxPacketBytes + 4;

    PacketDecoder() = default;

    // `packets` says how large the stream is. The code must be complete, or that of a plain stream.
    PacketDecoder(const HuffmanCode& code, const Packets& packets);

    // Whether the bytes of the stream are the symbols: there is nothing to decode, so what follows must not be called.
    bool is_plain() const { return code_.is_plain(); }

    // No packet holds more symbols.
    size_t most_symbols() const { return 8 * nbytes_ / table_.shortest(); }

    // Decodes `count` packets, none of which is shorter: writes their symbols, fill symbols included, from *symbols on,
    // which is advanced, and how many each packet holds to `counts`. Answers whether all bits after the last codeword
    // of each packet are ones.
    bool decode(const uint8_t* packets, size_t count, uint8_t** symbols, uint16_t* counts) const;

    // The same for kLanes runs of `count` packets at once, each run after the one before.
    bool decode_lanes(const uint8_t* packets, size_t count, uint8_t** symbols, uint16_t* counts) const;

    // The same for one packet of `nbytes`, which may be shorter.
    bool decode_one(const uint8_t* packet, size_t nbytes, uint8_t** symbols, uint16_t* count) const;

    // Whether all bits of a packet of `nbytes` after its first `count` codewords are ones. It must have as many.
    bool ends_after(const uint8_t* packet, size_t nbytes, size_t count) const;

private:
    HuffmanCode code_;
    HuffmanTable table_;
    size_t nbytes_ = 0;  // of a packet
};

}  // namespace onnxdc
