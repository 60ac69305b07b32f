// Canonical Huffman decoding by table: docs/format.md section 4.
//
// Why it is fast: codewords have at most 12 bits, so one lookup in a table of 4096 entries (8 KB, L1-resident) yields
// the symbol and its length; one 64-bit load holds four codewords (7 + 4 * 12 <= 64); and since each symbol's position
// depends on the length of the one before, a single stream is bound by latency, which four streams in flight hide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace onnxdc {

constexpr int kMaxCodeLength = 12;
constexpr int kLanes = 4;

// Bytes to read bits from, the most significant bit of each byte first. Reading beyond the end yields zeros, never
// memory.
struct BitStream {
    const uint8_t* data = nullptr;
    size_t nbytes = 0;
};

// Whether the lengths form a complete code: the Kraft sum is 1. Lengths above kMaxCodeLength must not occur.
bool is_complete_code(const std::vector<uint8_t>& lengths);

class HuffmanTable {
public:
    HuffmanTable() = default;

    // `lengths[symbol]` is 0 for an unused symbol. The lengths must form a complete code, or use at most one symbol, of
    // length 1: that symbol then stands for either bit, which the caller tells apart.
    explicit HuffmanTable(const std::vector<uint8_t>& lengths);

    // Decodes `count` symbols from bit address `bit` of the stream; returns the bit address after the last one, which
    // may lie beyond the end of the stream.
    uint64_t decode(BitStream stream, uint64_t bit, size_t count, uint8_t* symbols) const;

    // The same for kLanes runs of one stream at once. `bit` is advanced.
    void decode_lanes(BitStream stream, uint64_t* bit, const size_t* count, uint8_t* const* symbols) const;

private:
    // For each value of the next 12 bits: the symbol, and its length in the high byte.
    std::vector<uint16_t> entries_;
};

}  // namespace onnxdc
