// Huffman codes and packets, written as docs/format.md section 4 puts it, a bit at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

// A complete code: codewords by rising length, and what they stand for.
struct TestCode {
    std::vector<int> lengths;
    std::vector<uint8_t> symbols;

    // The counts, and the symbols unless they are left out.
    std::vector<uint8_t> table(bool with_symbols = true) const {
        std::vector<uint8_t> bytes(12);
        for (int length : lengths) ++bytes[static_cast<size_t>(length - 1)];
        if (with_symbols) bytes.insert(bytes.end(), symbols.begin(), symbols.end());
        return bytes;
    }

    // Each codeword is the one before plus one, shifted left by the growth in length.
    std::vector<unsigned> codewords() const {
        std::vector<unsigned> words;
        for (size_t i = 0; i < lengths.size(); ++i)
            words.push_back(i == 0 ? 0 : (words.back() + 1) << (lengths[i] - lengths[i - 1]));
        return words;
    }
};

// A random code: codewords are cut in two until there are as many as symbols.
inline TestCode random_code(std::vector<uint8_t> symbols, std::mt19937& random) {
    TestCode code{{1, 1}, std::move(symbols)};
    while (code.lengths.size() < code.symbols.size()) {
        int& cut = code.lengths[random() % code.lengths.size()];
        if (cut < 12) code.lengths.push_back(++cut);
    }
    std::sort(code.lengths.begin(), code.lengths.end());
    return code;
}

// Codewords in packets; what is left of a packet is ones.
class PacketWriter {
public:
    explicit PacketWriter(size_t packet_bytes) : packet_bits_(8 * packet_bytes) {}

    void put(unsigned codeword, int length) {
        const auto bits = static_cast<size_t>(length);
        if (bits_ == 0 || bits_ + bits > packet_bits_) {
            bytes_.resize(bytes_.size() + packet_bits_ / 8, 0xff);
            bits_ = 0;
        }
        uint8_t* packet = bytes_.data() + bytes_.size() - packet_bits_ / 8;
        for (size_t i = bits; i-- > 0; ++bits_) {
            if ((codeword >> i & 1) == 0)
                packet[bits_ / 8] = static_cast<uint8_t>(packet[bits_ / 8] & ~(0x80 >> bits_ % 8));
        }
    }

    // Leaves as few bytes of the last packet as may be, a multiple of 8.
    void cut() { bytes_.resize(bytes_.size() - packet_bits_ / 8 + (bits_ + 63) / 64 * 8); }

    const std::vector<uint8_t>& bytes() const { return bytes_; }

private:
    size_t packet_bits_;
    std::vector<uint8_t> bytes_;
    size_t bits_ = 0;  // of the last packet
};

inline std::vector<uint8_t> write_packets(const TestCode& code, const std::vector<uint8_t>& symbols, size_t nbytes,
                                          bool is_cut = false) {
    std::vector<size_t> place(256);
    for (size_t i = 0; i < code.symbols.size(); ++i) place[code.symbols[i]] = i;
    const std::vector<unsigned> codewords = code.codewords();
    PacketWriter writer(nbytes);
    for (uint8_t symbol : symbols) writer.put(codewords[place[symbol]], code.lengths[place[symbol]]);
    if (is_cut) writer.cut();
    return writer.bytes();
}
