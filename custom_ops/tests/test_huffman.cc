// Huffman decoding: codewords of every length, any number of symbols, any end of the stream.
#include <memory>
#include <random>

#include "bit_writer.h"
#include "check.h"
#include "decoder/huffman.h"

using namespace onnxdc;

namespace {

// A copy in an allocation of exactly its size.
struct ExactStream {
    explicit ExactStream(const std::vector<uint8_t>& source)
        : bytes(new uint8_t[source.size()]), nbytes(source.size()) {
        std::copy(source.begin(), source.end(), bytes.get());
    }
    BitStream view() const { return {bytes.get(), nbytes}; }

    std::unique_ptr<uint8_t[]> bytes;
    size_t nbytes;
};

// One codeword of each length 1..11 and two of length 12: the deepest code the format allows.
std::vector<uint8_t> deepest_code() {
    std::vector<uint8_t> lengths;
    for (uint8_t length = 1; length <= 12; ++length) lengths.push_back(length);
    lengths.push_back(12);
    return lengths;
}

void test_codewords_by_hand() {
    // b -> 0, a -> 10, c -> 110, d -> 111: "cabd" is 110 10 0 111
    const HuffmanTable table({2, 1, 3, 3});
    const ExactStream stream({0b11010011, 0b10000000});
    uint8_t symbols[4];
    CHECK(table.decode(stream.view(), 0, 4, symbols) == 9);
    CHECK(symbols[0] == 2 && symbols[1] == 0 && symbols[2] == 1 && symbols[3] == 3);
}

void test_complete_codes() {
    CHECK(is_complete_code({1, 1}));
    CHECK(is_complete_code({0, 2, 1, 0, 2}));
    CHECK(is_complete_code(deepest_code()));
    CHECK(is_complete_code(std::vector<uint8_t>(256, 8)));
    CHECK(!is_complete_code({1}));
    CHECK(!is_complete_code({1, 1, 12}));
    CHECK(!is_complete_code({2, 2, 2}));
    CHECK(!is_complete_code({}));
}

void test_lone_symbol_reads_either_bit() {
    const HuffmanTable table({0, 0, 1});
    const ExactStream stream({0b01010000});
    uint8_t symbols[8] = {};
    CHECK(table.decode(stream.view(), 0, 8, symbols) == 8);
    for (uint8_t symbol : symbols) CHECK(symbol == 2);
}

// Runs of random symbols, one after the other on byte boundaries, decoded alone and in lanes.
void test_runs(const std::vector<uint8_t>& lengths, const std::vector<size_t>& counts, std::mt19937& random) {
    const std::vector<unsigned> codewords = canonical_codewords(lengths);
    const HuffmanTable table(lengths);
    BitWriter writer;
    std::vector<std::vector<uint8_t>> expected;
    std::vector<uint64_t> begins, ends;
    for (size_t count : counts) {
        begins.push_back(8 * writer.bytes().size());
        ends.push_back(begins.back());
        expected.emplace_back();
        for (size_t i = 0; i < count; ++i) {
            const auto symbol = static_cast<uint8_t>(random() % lengths.size());
            expected.back().push_back(symbol);
            writer.put(codewords[symbol], lengths[symbol]);
            ends.back() += lengths[symbol];
        }
        writer.align();
    }
    const ExactStream stream(writer.bytes());
    for (size_t run = 0; run < counts.size(); ++run) {
        std::vector<uint8_t> symbols(counts[run]);
        CHECK(table.decode(stream.view(), begins[run], counts[run], symbols.data()) == ends[run]);
        CHECK(symbols == expected[run]);
    }
    for (size_t first = 0; first + kLanes <= counts.size(); ++first) {
        std::vector<std::vector<uint8_t>> symbols;
        uint8_t* rows[kLanes];
        uint64_t bit[kLanes];
        for (size_t lane = 0; lane < kLanes; ++lane) symbols.emplace_back(counts[first + lane]);
        for (size_t lane = 0; lane < kLanes; ++lane) {
            rows[lane] = symbols[lane].data();
            bit[lane] = begins[first + lane];
        }
        table.decode_lanes(stream.view(), bit, counts.data() + first, rows);
        for (size_t lane = 0; lane < kLanes; ++lane) {
            CHECK(symbols[lane] == expected[first + lane]);
            CHECK(bit[lane] == ends[first + lane]);
        }
    }
}

void test_runs_of_many_codes() {
    std::mt19937 random(1);
    const std::vector<std::vector<uint8_t>> codes = {
        {1, 1}, {2, 1, 3, 3}, deepest_code(), std::vector<uint8_t>(256, 8)};
    for (const auto& lengths : codes) {
        test_runs(lengths, {0, 1, 2, 3, 4, 5, 7, 8, 64, 65, 1000, 999}, random);
        test_runs(lengths, {64, 64, 64, 64, 64, 10}, random);
    }
}

void test_end_of_stream_reads_as_zeros() {
    // Whatever the bits say and however many symbols are asked for, nothing is read beyond the stream: it goes on with
    // zeros.
    const HuffmanTable table(deepest_code());
    for (size_t nbytes = 0; nbytes < 20; ++nbytes) {
        const ExactStream stream(std::vector<uint8_t>(nbytes, 0xFF));
        std::vector<uint8_t> symbols(40);
        const uint64_t end = table.decode(stream.view(), 0, symbols.size(), symbols.data());
        CHECK(end >= symbols.size() && end <= 12 * symbols.size());
        CHECK(symbols.back() == (8 * nbytes >= 12 * symbols.size() ? 12 : 0));
        std::vector<uint8_t> lanes(kLanes * symbols.size());
        uint64_t bit[kLanes] = {0, 8, 16, 1000};
        const size_t count[kLanes] = {40, 40, 40, 40};
        uint8_t* const rows[kLanes] = {lanes.data(), lanes.data() + 40, lanes.data() + 80, lanes.data() + 120};
        table.decode_lanes(stream.view(), bit, count, rows);
        CHECK(bit[0] == end && std::equal(symbols.begin(), symbols.end(), lanes.begin()));
    }
}

}  // namespace

int main() {
    test_codewords_by_hand();
    test_complete_codes();
    test_lone_symbol_reads_either_bit();
    test_runs_of_many_codes();
    test_end_of_stream_reads_as_zeros();
    return check::finish();
}
