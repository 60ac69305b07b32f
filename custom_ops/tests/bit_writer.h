// Writing bitstreams by hand: docs/format.md section 4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

// Bits fill each byte from its most significant one.
class BitWriter {
public:
    void put(unsigned value, int nbits) {
        for (int i = nbits - 1; i >= 0; --i) {
            if (used_ == 0) bytes_.push_back(0);
            bytes_.back() = static_cast<uint8_t>(bytes_.back() | ((value >> i & 1) << (7 - used_)));
            used_ = (used_ + 1) % 8;
        }
    }

    // Zeros up to the next byte.
    void align() { used_ = 0; }

    const std::vector<uint8_t>& bytes() const { return bytes_; }

private:
    std::vector<uint8_t> bytes_;
    int used_ = 0;  // bits of the last byte
};

// The canonical codeword of each symbol, found by counting up as section 4 puts it.
inline std::vector<unsigned> canonical_codewords(const std::vector<uint8_t>& lengths) {
    std::vector<unsigned> codewords(lengths.size());
    unsigned next = 0;
    for (int length = 1; length <= 12; ++length, next <<= 1) {
        for (size_t symbol = 0; symbol < lengths.size(); ++symbol) {
            if (lengths[symbol] == length) codewords[symbol] = next++;
        }
    }
    return codewords;
}
