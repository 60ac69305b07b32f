// Huffman codes and packets: codewords of every length, packets of every size, any number of them, any fill.
#include <memory>
#include <numeric>
#include <random>

#include "bit_writer.h"
#include "check.h"
#include "decoder/symbols.h"
#include "parallel/range.h"

using namespace onnxdc;

namespace {

// A copy in an allocation of exactly its size.
struct ExactStream {
    ExactStream(const std::vector<uint8_t>& source, size_t packet_bytes)
        : bytes(new uint8_t[source.size()]),
          packets{bytes.get(), packet_bytes, divide_up(source.size(), packet_bytes), source.size()} {
        std::copy(source.begin(), source.end(), bytes.get());
    }

    std::unique_ptr<uint8_t[]> bytes;
    Packets packets;
};

HuffmanCode code_of(const TestCode& code) {
    HuffmanCode result;
    for (int length : code.lengths) ++result.counts[static_cast<size_t>(length - 1)];
    result.symbols = code.symbols;
    return result;
}

std::vector<uint8_t> count_up(size_t count) {
    std::vector<uint8_t> symbols(count);
    std::iota(symbols.begin(), symbols.end(), uint8_t{0});
    return symbols;
}

// One codeword of each length 1..11 and two of length 12: the deepest code the format allows.
TestCode deepest_code() {
    TestCode code{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 12}, count_up(13)};
    std::reverse(code.symbols.begin(), code.symbols.end());
    return code;
}

void test_complete_codes() {
    const auto complete = [](std::array<uint8_t, kMaxCodeLength> counts) {
        return HuffmanCode{counts, {}}.is_complete();
    };
    CHECK(complete({2}));
    CHECK(complete({1, 2}));
    CHECK(complete({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2}));
    CHECK(complete({0, 0, 0, 0, 0, 0, 1, 253, 2}));
    CHECK(!complete({0, 0, 0, 0, 0, 0, 0, 255, 2}));  // 257 codewords
    CHECK(!complete({}));
    CHECK(!complete({1}));
    CHECK(!complete({3}));
    CHECK(!complete({1, 1}));
    CHECK(!complete({2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
}

void test_lengths() {
    const HuffmanCode code = code_of(deepest_code());
    CHECK(code.length_at(0) == 1 && code.length_at(0x7ff) == 1 && code.length_at(0x800) == 2);
    CHECK(code.length_at(0xffd) == 11 && code.length_at(0xffe) == 12 && code.length_at(0xfff) == 12);
}

void test_a_packet_by_hand() {
    // b -> 0, a -> 10, c -> 110, d -> 111: "cabd" is 110 10 0 111, then 55 ones: 18 times d, and a bit that is left.
    const HuffmanCode code{{1, 1, 2}, {'b', 'a', 'c', 'd'}};
    const ExactStream stream({0b11010011, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 8);
    const PacketDecoder decoder(code, stream.packets);
    std::vector<uint8_t> symbols(PacketDecoder::kRoom);
    uint8_t* end = symbols.data();
    uint16_t count = 0;
    CHECK(decoder.decode(stream.packets.data, 1, &end, &count));
    CHECK(count == 22 && end == symbols.data() + 22);
    CHECK(std::string(symbols.data(), end) == "cabd" + std::string(18, 'd'));
    CHECK(decoder.ends_after(stream.packets.data, 8, 4) && decoder.ends_after(stream.packets.data, 8, 22));
    CHECK(!decoder.ends_after(stream.packets.data, 8, 2));
}

// Symbols that are written are read, whatever the code, and however many they are.
void test_streams() {
    std::mt19937 random(1);
    for (int round = 0; round < 60; ++round) {
        // Each tenth has codewords of one bit: no packet holds more.
        const size_t most = round % 10 == 1 ? 0 : random() % 254;
        const TestCode code = round % 3 == 0 ? deepest_code() : random_code(count_up(2 + most), random);
        for (size_t packet_bytes : {8, 16, 32, 64, 128, 256}) {
            std::vector<uint8_t> symbols(1 + random() % (round % 20 < 2 ? 400000 : 3000));
            for (uint8_t& symbol : symbols) symbol = code.symbols[random() % code.symbols.size()];
            for (bool is_cut : {false, true}) {
                const ExactStream stream(write_packets(code, symbols, packet_bytes, is_cut), packet_bytes);
                const PacketDecoder decoder(code_of(code), stream.packets);
                Symbols decoded;
                CHECK(!decode_symbols("codes", decoder, stream.packets, symbols.size(), &decoded));
                CHECK(decoded.values == symbols);
                const size_t total = std::accumulate(decoded.of_packet.begin(), decoded.of_packet.end(), size_t{0});
                CHECK(total >= symbols.size() && total - decoded.of_packet.back() < symbols.size());
                for (uint16_t count : decoded.of_packet) CHECK(count <= decoder.most_symbols());
            }
        }
    }
}

// What is said of packets in which nobody made sure that the fills are ones, and which may be short; against bits taken
// one by one.
void test_any_bytes() {
    std::mt19937 random(2);
    for (int round = 0; round < 300; ++round) {
        const TestCode code = round % 3 == 0 ? deepest_code() : random_code(count_up(2 + random() % 30), random);
        const HuffmanCode huffman = code_of(code);
        const size_t packet_bytes = size_t{8} << round % 6;
        std::vector<uint8_t> bytes(packet_bytes * (round % 2 ? 1200 : 1) - 8 * (random() % (packet_bytes / 8)));
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
        const ExactStream stream(bytes, packet_bytes);
        const PacketDecoder decoder(huffman, stream.packets);
        std::vector<uint8_t> symbols(decoder.most_symbols() + PacketDecoder::kRoom);
        const size_t some = std::min<size_t>(stream.packets.count, 20);
        for (size_t packet = stream.packets.count - some; packet < stream.packets.count; ++packet) {
            const bool is_last = packet + 1 == stream.packets.count;
            const size_t nbytes = is_last ? stream.packets.nbytes_of_last() : packet_bytes;
            const uint8_t* data = stream.packets.at(packet);
            const auto bit_at = [&](size_t bit) -> size_t {
                return bit < 8 * nbytes ? data[bit / 8] >> (7 - bit % 8) & 1 : 1;
            };
            size_t bit = 0, expected = 0, left = 0;
            for (size_t length; bit < 8 * nbytes; bit += length, ++expected) {
                size_t next = 0;
                for (size_t i = 0; i < 12; ++i) next = next << 1 | bit_at(bit + i);
                length = huffman.length_at(next);
                if (bit + length > 8 * nbytes) break;
            }
            for (size_t i = bit; i < 8 * nbytes; ++i) left += bit_at(i) == 0;
            uint8_t* end = symbols.data();
            uint16_t count = 0;
            const bool filled = decoder.decode_one(data, nbytes, &end, &count);
            CHECK(filled == (left == 0));
            CHECK(!filled || count == expected);
        }
    }
}

// Reads a stream by the format's words, a bit at a time; answers whether it is sound.
bool read_slowly(const TestCode& code, const std::vector<uint8_t>& bytes, size_t packet_bytes, size_t entries,
                 std::vector<uint8_t>* symbols) {
    const std::vector<unsigned> codewords = code.codewords();
    for (size_t begin = 0; begin < bytes.size(); begin += packet_bytes) {
        size_t bit = 8 * begin;
        const size_t end = 8 * std::min(begin + packet_bytes, bytes.size());
        const auto take = [&](size_t count) {
            unsigned value = 0;
            for (size_t i = bit; i < bit + count; ++i) value = value << 1 | (bytes[i / 8] >> (7 - i % 8) & 1);
            return value;
        };
        for (bool found = true; found && symbols->size() < entries;) {
            found = false;
            for (size_t i = 0; i < codewords.size() && !found; ++i) {
                const auto length = static_cast<size_t>(code.lengths[i]);
                found = bit + length <= end && take(length) == codewords[i];
                if (found) symbols->push_back(code.symbols[i]), bit += length;
            }
        }
        for (; bit < end; ++bit) {
            if (take(1) == 0) return false;
        }
        if (symbols->size() == entries) return end == 8 * bytes.size();
    }
    return false;
}

// Streams with one fault or none, of any length that the format allows: sound ones are read, all others refused.
void test_damaged_streams() {
    std::mt19937 random(3);
    int sound = 0;
    constexpr int kRounds = 3000;
    for (int round = 0; round < kRounds; ++round) {
        const TestCode code = round % 3 == 0 ? deepest_code() : random_code(count_up(2 + random() % 14), random);
        const size_t packet_bytes = size_t{8} << random() % 6;
        std::vector<uint8_t> written(1 + random() % 900);
        for (uint8_t& symbol : written) symbol = code.symbols[random() % code.symbols.size()];
        std::vector<uint8_t> bytes = write_packets(code, written, packet_bytes, random() % 4 > 0);
        size_t entries = written.size();
        switch (random() % 6) {
            case 0: bytes[random() % bytes.size()] ^= static_cast<uint8_t>(1 << random() % 8); break;
            case 1: bytes.resize(bytes.size() + 8, 0xff); break;
            case 2: bytes.resize(std::max<size_t>(bytes.size() - 8, 8)); break;
            case 3: entries += random() % 2 ? 1 : 8; break;
            case 4: entries -= entries > 1; break;
            default: break;
        }
        std::vector<uint8_t> expected;
        const bool is_sound = read_slowly(code, bytes, packet_bytes, entries, &expected);
        const ExactStream stream(bytes, packet_bytes);
        Symbols decoded;
        const PacketDecoder decoder(code_of(code), stream.packets);
        const Verdict broken = decode_symbols("codes", decoder, stream.packets, entries, &decoded);
        CHECK(is_sound == !broken);
        CHECK(!is_sound || decoded.values == expected);
        CHECK(!broken || broken->rule == Rule::truncated || broken->rule == Rule::packet_fill);
        sound += is_sound;
    }
    CHECK(sound > kRounds / 4 && sound < kRounds * 3 / 4);
}

}  // namespace

int main() {
    test_complete_codes();
    test_lengths();
    test_a_packet_by_hand();
    test_streams();
    test_any_bytes();
    test_damaged_streams();
    return check::finish();
}
