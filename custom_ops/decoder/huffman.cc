#include "decoder/huffman.h"

#include <algorithm>

namespace onnxdc {
namespace {

uint32_t entry_of(uint32_t symbols, uint32_t count, size_t length) {
    return count << HuffmanTable::kCountBit | static_cast<uint32_t>(length) << HuffmanTable::kLengthBit | symbols;
}

// As many codewords as are whole within 12 bits. `single` has the first one for each value of them.
uint32_t several_at(const std::vector<uint32_t>& single, size_t bits) {
    uint32_t symbols = 0, count = 0;
    size_t length = 0;
    while (count < HuffmanTable::kMostSymbols) {
        const uint32_t next = single[bits << length & (HuffmanTable::kSize - 1)];
        const size_t after = length + (next >> HuffmanTable::kLengthBit & 63);
        if (after > kMaxCodeLength) break;
        symbols |= (next & 255) << 8 * count++;
        length = after;
    }
    return entry_of(symbols, count, length);
}

}  // namespace

bool HuffmanCode::is_complete() const {
    size_t codewords = 0, sum = 0;  // the sum counts in units of 2^-12
    for (size_t length = 1; length <= kMaxCodeLength; ++length) {
        codewords += counts[length - 1];
        sum += counts[length - 1] * (HuffmanTable::kSize >> length);
    }
    return codewords >= 2 && codewords <= 256 && sum == HuffmanTable::kSize;
}

// Read as the top of 12 bits, the codewords follow each other without a gap: one of length l owns 2^(12 - l) values.
size_t HuffmanCode::length_at(size_t bits) const {
    size_t length = 0, end = 0;
    while (bits >= end) {
        ++length;
        end += counts[length - 1] * (HuffmanTable::kSize >> length);
    }
    return length;
}

HuffmanTable::HuffmanTable(const HuffmanCode& code, bool deep)
    : entries_(kSize), shortest_(code.length_at(0)), longest_(code.length_at(kSize - 1)) {
    auto next = entries_.begin();
    size_t codeword = 0;
    for (size_t length = 1; length <= kMaxCodeLength; ++length) {
        for (size_t i = 0; i < code.counts[length - 1]; ++i)
            next = std::fill_n(next, kSize >> length, entry_of(code.symbols[codeword++], 1, length));
    }
    if (!deep) return;
    const std::vector<uint32_t> single = entries_;
    for (size_t bits = 0; bits < kSize; ++bits) entries_[bits] = several_at(single, bits);
}

}  // namespace onnxdc
