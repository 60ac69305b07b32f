// Time of decoding streams of random packets, for codes of several mean lengths: bench_decode [bytes of the stream]
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>

#include "bench/timing.h"
#include "decoder/symbols.h"

using namespace onnxdc;

namespace {

constexpr size_t kPacketBytes = 32;

constexpr struct {
    const char* name;
    std::array<uint8_t, kMaxCodeLength> counts;
} kCodes[] = {
    {"16 codes of 2.1 bits, next to low bits", {1, 1, 1, 0, 2, 4}},
    {"10 gaps of 2.9 bits", {0, 2, 2, 2, 4}},
    {"30 codes of 4.5 bits", {0, 0, 2, 4, 8, 16}},
    {"186 codes of 7.3 bits", {0, 0, 0, 0, 2, 8, 32, 144}},
};

// Random bits are codewords of a complete code; what is left of a packet after the last one becomes ones.
std::vector<uint8_t> random_packets(const HuffmanCode& code, size_t count) {
    std::mt19937_64 random(1);
    std::vector<uint8_t> bytes(count * kPacketBytes);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    for (size_t packet = 0; packet < count; ++packet) {
        uint8_t* data = bytes.data() + packet * kPacketBytes;
        for (size_t bit = 0; bit < 8 * kPacketBytes;) {
            size_t index = 0;
            for (size_t i = bit; i < bit + kMaxCodeLength; ++i)
                index = index << 1 | (i < 8 * kPacketBytes ? data[i / 8] >> (7 - i % 8) & 1 : 1);
            const size_t end = bit + code.length_at(index);
            for (size_t i = bit; end > 8 * kPacketBytes && i < 8 * kPacketBytes; ++i)
                data[i / 8] = static_cast<uint8_t>(data[i / 8] | 0x80 >> i % 8);
            bit = end;
        }
    }
    return bytes;
}

}  // namespace

int main(int argc, char** argv) {
    const size_t count = (argc > 1 ? static_cast<size_t>(std::atol(argv[1])) : size_t{4} << 20) / kPacketBytes;
    for (const auto& [name, counts] : kCodes) {
        HuffmanCode code{counts, {}};
        code.symbols.resize(std::accumulate(counts.begin(), counts.end(), size_t{0}));
        std::iota(code.symbols.begin(), code.symbols.end(), uint8_t{0});
        const std::vector<uint8_t> bytes = random_packets(code, count);
        const Packets packets{bytes.data(), kPacketBytes, count, bytes.size()};
        Symbols symbols;
        // As many as there are but for the last packet, of which any may be fill symbols.
        (void)decode_symbols("codes", PacketDecoder(code, packets), packets, 0, &symbols);
        const size_t entries = std::accumulate(symbols.of_packet.begin(), symbols.of_packet.end(), size_t{0});
        const double us = median_us(0, [&](void*) {
            if (decode_symbols("codes", PacketDecoder(code, packets), packets, entries, &symbols)) std::abort();
        });
        std::printf("%-40s %9zu symbols %9.0f us  %.2f ns a symbol\n", name, entries, us,
                    us * 1000 / static_cast<double>(entries));
    }
    return 0;
}
