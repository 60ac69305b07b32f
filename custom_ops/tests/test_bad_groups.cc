// Weight groups that break a rule of docs/format.md section 6: each is one change to a legal group, and is rejected by
// its rule.
#include <functional>

#include "check.h"
#include "decoder/decode.h"
#include "decoder/range_reader.h"
#include "group_builder.h"

using namespace onnxdc;

namespace {

// What is said of a group by the checks and then by the decoder. Both ways of decoding must agree.
Verdict verdict_on(const TestGroup& test) {
    const WeightGroup view = test.view();
    CheckedGroup group;
    if (Verdict broken = check_group(view, &group)) return broken;
    std::vector<float> dense(static_cast<size_t>(group.numel));
    SparseWeight weight;
    RangeReader reader;
    const Verdict broken = decode_dense(group, dense.data());
    const Verdict sparse = decode_sparse(group, &weight);
    const Verdict opened = reader.open(group);
    CHECK(broken.has_value() == sparse.has_value() && broken.has_value() == opened.has_value());
    if (broken && sparse && opened) CHECK(broken->rule == sparse->rule && broken->rule == opened->rule);
    return broken;
}

struct Case {
    Rule rule;
    std::function<void(TestGroup&)> damage;
};

const Case kCases[] = {
    {Rule::codebook_type, [](TestGroup& g) { g.dtype = kInt32; }},
    {Rule::codebook_type, [](TestGroup& g) { g.dtype = kFloat16; }},
    {Rule::codebook_type, [](TestGroup& g) { g.codebook.set(kInt32, {1, 3}, std::vector<int32_t>{0, 1, 2}); }},
    {Rule::codebook_shape, [](TestGroup& g) { g.codebook.dims = {3}; }},
    {Rule::codebook_shape, [](TestGroup& g) { g.set_codebook({0, 3}, {}); }},
    {Rule::codebook_shape, [](TestGroup& g) { g.set_codebook({1, 0}, {}); }},
    {Rule::codebook_shape, [](TestGroup& g) { g.set_codebook({1, 257}, std::vector<float>(257)); }},
    {Rule::codebook_zero, [](TestGroup& g) { g.set_codebook({1, 3}, {-0.0f, 1.5f, -2.0f}); }},
    {Rule::tensor_type, [](TestGroup& g) { g.chunks.set(kInt64, {2, 4}, std::vector<int64_t>(8)); }},
    {Rule::tensor_type, [](TestGroup& g) { g.chunks.dims = {4, 2}; }},
    {Rule::tensor_type, [](TestGroup& g) { g.codes.dims = {1, 1}; }},
    {Rule::shape, [](TestGroup& g) { g.set_shape({-2, 5}); }},
    {Rule::shape, [](TestGroup& g) { g.set_shape({65536, 32768}); }},
    {Rule::shape, [](TestGroup& g) { g.set_shape({int64_t{1} << 62, int64_t{1} << 62}); }},
    {Rule::shape, [](TestGroup& g) { g.set_shape({int64_t{1} << 31, 0}); }},
    {Rule::shape, [](TestGroup& g) { g.set_shape(std::vector<int64_t>(33, 1)); }},
    {Rule::groups, [](TestGroup& g) { g.set_codebook({3, 3}, std::vector<float>(9)); }},
    {Rule::groups, [](TestGroup& g) { g.set_codebook({2, 3}, std::vector<float>(6)), g.group_axis = 2; }},
    {Rule::index_bits, [](TestGroup& g) { g.index_bits = 0; }},
    {Rule::index_bits, [](TestGroup& g) { g.index_bits = 9; }},
    {Rule::chunk_size, [](TestGroup& g) { g.chunk_size = 32; }},
    {Rule::chunk_size, [](TestGroup& g) { g.chunk_size = 4095; }},
    {Rule::chunk_size, [](TestGroup& g) { g.chunk_size = 131072; }},
    {Rule::length_count, [](TestGroup& g) { g.set_bytes(g.code_lengths, {0x12}); }},
    {Rule::length_count, [](TestGroup& g) { g.set_bytes(g.code_lengths, {0x12, 0x12}); }},
    {Rule::length_count, [](TestGroup& g) { g.set_bytes(g.gap_lengths, {0x12, 0x02, 0x20}); }},
    {Rule::length_range, [](TestGroup& g) { g.set_lengths(g.code_lengths, {2, 1, 13}); }},
    {Rule::length_range, [](TestGroup& g) { g.set_lengths(g.gap_lengths, {1, 2, 0, 15}); }},
    {Rule::kraft, [](TestGroup& g) { g.set_lengths(g.code_lengths, {2, 1, 3}); }},
    {Rule::kraft, [](TestGroup& g) { g.set_lengths(g.code_lengths, {1, 1, 1}); }},
    {Rule::kraft, [](TestGroup& g) { g.set_lengths(g.code_lengths, {0, 2, 0}); }},
    {Rule::kraft, [](TestGroup& g) { g.set_lengths(g.gap_lengths, {0, 0, 0, 0}); }},
    {Rule::chunk_count, [](TestGroup& g) { g.set_chunks({}); }},
    {Rule::chunk_count, [](TestGroup& g) { g.set_chunks({0, 0, 0, 0}); }},
    {Rule::chunk_count, [](TestGroup& g) { g.set_chunks({0, 0, 0, 0, /**/ 4, 1, 1, 8, /**/ 4, 1, 1, 8}); }},
    {Rule::chunk_order, [](TestGroup& g) { g.set_chunks({0, 0, 0, 1, /**/ 4, 1, 1, 8}); }},
    {Rule::chunk_order, [](TestGroup& g) { g.set_chunks({0, 0, 0, 0, /**/ -4, 1, 1, 8}); }},
    {Rule::chunk_end, [](TestGroup& g) { g.set_chunks({0, 0, 0, 0, /**/ 4, 2, 1, 8}); }},
    {Rule::chunk_end, [](TestGroup& g) { g.set_chunks({0, 0, 0, 0, /**/ 4, 1, 0, 8}); }},
    {Rule::chunk_end, [](TestGroup& g) { g.set_chunks({0, 0, 0, 0, /**/ 4, 1, 1, 11}); }},
    {Rule::no_gaps, [](TestGroup& g) { g.set_bytes(g.gaps, {}), g.set_chunks({0, 0, 0, 0, /**/ 4, 1, 0, 8}); }},
    {Rule::checksum, [](TestGroup& g) { g.right_checksum = false; }},
    // 01 11 00 00 reads 1, 2, 1, 1, ...: with eight entries the last byte is used up, with nine there are more than
    // bits.
    {Rule::truncated, [](TestGroup& g) { g.set_chunks({0, 0, 0, 0, /**/ 9, 1, 1, 8}); }},
    {Rule::truncated,
     [](TestGroup& g) {
         g.set_bytes(g.codes, {0b11111110});
         g.set_chunks({0, 0, 0, 0, /**/ 5, 1, 1, 8});
     }},
    {Rule::truncated,
     [](TestGroup& g) { g.set_bytes(g.gaps, {0b11111110}), g.set_chunks({0, 0, 0, 0, /**/ 5, 1, 1, 8}); }},
    {Rule::bad_code,
     [](TestGroup& g) { g.set_lengths(g.code_lengths, {0, 1, 0}), g.set_bytes(g.codes, {0b00010000}); }},
    {Rule::bad_code, [](TestGroup& g) { g.set_lengths(g.gap_lengths, {0, 1}), g.set_bytes(g.gaps, {0b10000000}); }},
    {Rule::trailing_bits, [](TestGroup& g) { g.set_bytes(g.codes, {0b01110001}); }},
    {Rule::trailing_bits, [](TestGroup& g) { g.set_bytes(g.gaps, {0b10011010}); }},
    {Rule::trailing_bits,
     [](TestGroup& g) { g.set_bytes(g.codes, {0b01110000, 0}), g.set_chunks({0, 0, 0, 0, /**/ 4, 2, 1, 8}); }},
    {Rule::position, [](TestGroup& g) { g.set_shape({7}), g.set_chunks({0, 0, 0, 0, /**/ 4, 1, 1, 7}); }},
    {Rule::position, [](TestGroup& g) { g.set_chunks({0, 0, 0, 0, /**/ 4, 1, 1, 9}); }},
    {Rule::position, [](TestGroup& g) { g.set_chunks({0, 0, 0, 0, /**/ 4, 1, 1, 7}); }},
};

void test_each_rule() {
    for (const Case& bad : kCases) {
        TestGroup group = small_group();
        bad.damage(group);
        const Verdict verdict = verdict_on(group);
        CHECK(verdict.has_value() && verdict->rule == bad.rule);
        if (!verdict || verdict->rule != bad.rule) {
            std::fprintf(stderr, "  expected %s, got %s\n", rule_name(bad.rule),
                         verdict ? rule_name(verdict->rule) : "nothing");
        }
        if (verdict) CHECK(!verdict->detail.empty());
    }
}

// A stream of 2^28 - 16 bytes: refused for its size alone, before anything reads it, so it need not exist.
void test_stream_size() {
    const TestGroup test = small_group();
    WeightGroup group = test.view();
    const int64_t nbytes = (int64_t{1} << 28) - 16;
    group.gaps.dims = &nbytes;
    CheckedGroup checked;
    const Verdict broken = check_group(group, &checked);
    CHECK(broken && broken->rule == Rule::stream_size);
}

// A codebook of 2^31 elements is refused for its size, before anything reads it: with 2^32 groups, which divide an axis
// of length 0, and with so many codes in all that their numbers would not fit in 32 bits.
void test_codebook_size() {
    TestGroup test = small_group();
    test.set_shape({0, 5});
    WeightGroup group = test.view();
    constexpr int64_t kSizes[][2] = {{int64_t{1} << 32, 1}, {int64_t{1} << 31, 1}, {1 << 23, 256}, {INT64_MAX, 256}};
    for (const auto& size : kSizes) {
        group.codebook.dims = size;
        CheckedGroup checked;
        const Verdict broken = check_group(group, &checked);
        CHECK(broken && broken->rule == Rule::codebook_shape);
    }
    // No position asks for the group of an element of an empty weight, but the question has an answer.
    CHECK(GroupOfPosition({0, 4}, int64_t{1} << 32, 0)(0) == 0);
    CHECK(GroupOfPosition({0, 4}, 2, 0)(3) == 0);
}

// Every single bit of the streams flipped, with a checksum that was made to match: an error or another weight, but
// never an access outside the arrays.
void test_flipped_bits() {
    const TestGroup good = small_group();
    for (unsigned bit = 0; bit < 8; ++bit) {
        TestGroup codes = small_group(), gaps = small_group();
        codes.codes.bytes[0] = static_cast<uint8_t>(codes.codes.bytes[0] ^ 1u << bit);
        gaps.gaps.bytes[0] = static_cast<uint8_t>(gaps.gaps.bytes[0] ^ 1u << bit);
        for (const TestGroup* group : {&codes, &gaps}) {
            const Verdict verdict = verdict_on(*group);
            CHECK(!verdict || verdict->rule >= Rule::truncated);
        }
    }
    CHECK(!verdict_on(good));
}

// So many chunks that threads share them: the first of those that are damaged is named, whoever finds another one
// first.
void test_damage_in_every_part() {
    std::mt19937 random(6);
    std::vector<float> values;
    const TestGroup good = random_group(600000, 4, random, &values);
    std::vector<int32_t> rows(good.chunks.bytes.size() / sizeof(int32_t));
    std::memcpy(rows.data(), good.chunks.bytes.data(), good.chunks.bytes.size());
    const size_t chunks = rows.size() / 4 - 1, part = 65536 / 64;
    CHECK(chunks > 3 * part && !verdict_on(good));
    for (size_t chunk = part / 2; chunk + 1 < chunks; chunk += part / 2) {
        TestGroup bad = random_group(1, 1, random, &values);
        std::vector<int32_t> damaged = rows;
        // Where the next chunk begins is no longer where this one ends. The same in the last chunk but one.
        for (const size_t next : {chunk + 1, chunks - 1}) ++damaged[next * 4 + 3];
        bad.codes.bytes = good.codes.bytes, bad.codes.dims = good.codes.dims;
        bad.gaps.bytes = good.gaps.bytes, bad.gaps.dims = good.gaps.dims;
        bad.set_chunks(damaged);
        bad.set_shape({600000});
        const Verdict broken = verdict_on(bad);
        CHECK(broken && broken->rule == Rule::position);
        const std::string expected = "chunk " + std::to_string(chunk) + " ends at position ";
        if (broken) CHECK(broken->detail.compare(0, expected.size(), expected) == 0);
    }
}

// Bits flipped all over the streams, as above.
void test_flipped_bits_in_every_part() {
    std::mt19937 random(7);
    std::vector<float> values;
    TestGroup group = random_group(600000, 4, random, &values);
    for (int i = 0; i < 40; ++i) {
        TestTensor& stream = i % 2 ? group.codes : group.gaps;
        uint8_t& byte = stream.bytes[random() % stream.bytes.size()];
        const uint8_t whole = byte;
        byte = static_cast<uint8_t>(byte ^ 1u << random() % 8);
        const Verdict verdict = verdict_on(group);
        CHECK(!verdict || verdict->rule >= Rule::truncated);
        byte = whole;
    }
}

}  // namespace

int main() {
    test_each_rule();
    test_stream_size();
    test_codebook_size();
    test_flipped_bits();
    test_damage_in_every_part();
    test_flipped_bits_in_every_part();
    return check::finish();
}
