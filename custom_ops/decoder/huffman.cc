#include "decoder/huffman.h"

#include <algorithm>
#include <cstring>

namespace onnxdc {
namespace {

constexpr size_t kTableSize = size_t{1} << kMaxCodeLength;
constexpr size_t kSymbolsPerLoad = 4;
// Four codewords advance a stream by at most 48 bits: 6 bytes.
constexpr size_t kBytesPerLoad = kSymbolsPerLoad * kMaxCodeLength / 8;

// The eight bytes at `address` as one number, the first byte the most significant.
inline uint64_t load_be64(const uint8_t* address) {
    uint64_t value;
    std::memcpy(&value, address, sizeof value);
    return __builtin_bswap64(value);  // the library is for little-endian machines only, as its file format is
}

// At least 57 bits of the stream from bit address `bit` on, at the top of the word; zeros beyond the end.
inline uint64_t load_bits(BitStream stream, uint64_t bit) {
    const uint64_t byte = bit >> 3;
    if (byte + 8 <= stream.nbytes) return load_be64(stream.data + byte) << (bit & 7);
    uint64_t value = 0;
    for (uint64_t i = byte; i < byte + 8; ++i) value = value << 8 | (i < stream.nbytes ? stream.data[i] : 0);
    return value << (bit & 7);
}

// Takes one symbol off the top of `bits`; returns its length.
inline unsigned take(const uint16_t* entries, uint64_t& bits, uint8_t* symbol) {
    const uint16_t entry = entries[bits >> (64 - kMaxCodeLength)];
    *symbol = static_cast<uint8_t>(entry);
    const unsigned length = entry >> 8;
    bits <<= length;
    return length;
}

}  // namespace

bool is_complete_code(const std::vector<uint8_t>& lengths) {
    size_t sum = 0;  // counted in units of 2^-12
    for (uint8_t length : lengths) sum += length ? kTableSize >> length : 0;
    return sum == kTableSize;
}

// In canonical order (length, symbol) the codewords, read as the top bits of the table's index, follow each other
// without a gap: a codeword of length l owns the next 2^(12 - l) entries.
HuffmanTable::HuffmanTable(const std::vector<uint8_t>& lengths) : entries_(kTableSize, uint16_t{1} << 8) {
    size_t next = 0;
    for (int length = 1; length <= kMaxCodeLength; ++length) {
        for (size_t symbol = 0; symbol < lengths.size(); ++symbol) {
            if (lengths[symbol] != length) continue;
            const size_t owned = kTableSize >> length;
            std::fill_n(entries_.begin() + static_cast<std::ptrdiff_t>(next), owned,
                        static_cast<uint16_t>(length << 8 | symbol));
            next += owned;
        }
    }
    // A lone symbol has filled one half; the other half reads the same.
    if (next == kTableSize / 2) {
        std::copy_n(entries_.begin(), next, entries_.begin() + static_cast<std::ptrdiff_t>(next));
    }
}

uint64_t HuffmanTable::decode(BitStream stream, uint64_t bit, size_t count, uint8_t* symbols) const {
    const uint16_t* entries = entries_.data();
    for (; count >= kSymbolsPerLoad; count -= kSymbolsPerLoad, symbols += kSymbolsPerLoad) {
        uint64_t bits = load_bits(stream, bit);
        for (size_t i = 0; i < kSymbolsPerLoad; ++i) bit += take(entries, bits, symbols + i);
    }
    uint64_t bits = load_bits(stream, bit);
    for (size_t i = 0; i < count; ++i) bit += take(entries, bits, symbols + i);
    return bit;
}

void HuffmanTable::decode_lanes(BitStream stream, uint64_t* bit, const size_t* count, uint8_t* const* symbols) const {
    const uint16_t* entries = entries_.data();
    uint64_t at[kLanes];
    size_t left = *std::min_element(count, count + kLanes) / kSymbolsPerLoad;
    size_t done = 0;
    std::copy_n(bit, kLanes, at);
    while (left > 0) {
        // As many rounds as no lane can leave the stream in, whatever its bits say; then look again.
        const uint64_t byte = *std::max_element(at, at + kLanes) >> 3;
        if (byte + 8 > stream.nbytes) break;
        const size_t rounds = std::min<size_t>(left, (stream.nbytes - 8 - byte) / kBytesPerLoad + 1);
        for (size_t round = 0; round < rounds; ++round, done += kSymbolsPerLoad) {
            uint64_t bits[kLanes];
            for (int lane = 0; lane < kLanes; ++lane) {
                bits[lane] = load_be64(stream.data + (at[lane] >> 3)) << (at[lane] & 7);
            }
            for (size_t i = 0; i < kSymbolsPerLoad; ++i) {
                for (int lane = 0; lane < kLanes; ++lane) {
                    at[lane] += take(entries, bits[lane], symbols[lane] + done + i);
                }
            }
        }
        left -= rounds;
    }
    for (int lane = 0; lane < kLanes; ++lane) {
        bit[lane] = decode(stream, at[lane], count[lane] - done, symbols[lane] + done);
    }
}

}  // namespace onnxdc
