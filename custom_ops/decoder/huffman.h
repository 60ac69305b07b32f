// Huffman codes and the tables that decode them: docs/format.md section 4.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace onnxdc {

constexpr size_t kMaxCodeLength = 12;

// Codewords by rising length: the first is all zeros, each next one the previous plus one, shifted left by the growth
// in length.
struct HuffmanCode {
    std::array<uint8_t, kMaxCodeLength> counts{};  // how many there are of each length from 1 on
    std::vector<uint8_t> symbols;                  // what they stand for, one each in that order; none: a plain stream

    bool is_plain() const { return symbols.empty(); }

    // Whether there are 2 to 256 codewords, which leave no bits without meaning.
    bool is_complete() const;

    // The length of the codeword that 12 bits begin with. The code must be complete.
    size_t length_at(size_t bits) const;
};

// What the next 12 bits of a stream begin with. A whole codeword always does, as the code is complete and none is
// longer.
class HuffmanTable {
public:
    static constexpr size_t kSize = size_t{1} << kMaxCodeLength;

    HuffmanTable() = default;

    // A table that is `deep` takes longer to make and less time for each symbol. The code must be complete.
    HuffmanTable(const HuffmanCode& code, bool deep);

    // For each value of the 12 bits one to kMostSymbols symbols in the lowest bytes; from kLengthBit on the length of
    // their codewords together, at most 12; from kCountBit on how many they are. One, unless the table is deep.
    const uint32_t* entries() const { return entries_.data(); }
    static constexpr size_t kMostSymbols = 3;
    static constexpr unsigned kLengthBit = 24;
    static constexpr unsigned kCountBit = 30;

    size_t shortest() const { return shortest_; }
    size_t longest() const { return longest_; }

private:
    std::vector<uint32_t> entries_;
    size_t shortest_ = 1;
    size_t longest_ = 1;
};

}  // namespace onnxdc
