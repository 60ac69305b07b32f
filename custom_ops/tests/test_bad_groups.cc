// Weight groups that break a rule of docs/format.md section 7: each is one change to a legal group, and is rejected by
// its rule.
#include <cmath>
#include <functional>

#include "check.h"
#include "decoder/decode.h"
#include "group_builder.h"

using namespace onnxdc;

namespace {

// What is said of a group by the checks and then by the decoder. All ways of decoding must agree.
Verdict verdict_on(const TestGroup& test) {
    const WeightGroup view = test.view();
    CheckedGroup group;
    if (Verdict broken = check_group(view, &group)) return broken;
    std::vector<double> dense(static_cast<size_t>(group.numel));
    const Verdict broken = decode_dense(group, dense.data());
    if (group.dtype != kFloat) return broken;
    SparseWeight weight;
    ElementCodes codes;
    const Verdict sparse = decode_sparse(group, &weight);
    const Verdict coded = decode_codes(group, &codes);
    CHECK(broken.has_value() == sparse.has_value() && broken.has_value() == coded.has_value());
    if (broken && sparse && coded) CHECK(broken->rule == sparse->rule && broken->rule == coded->rule);
    return broken;
}

struct Case {
    Rule rule;
    std::function<void(TestGroup&)> damage;
};

void make_grid(TestGroup& g) {
    g.codebook.set(kInt8, {1, 3}, std::vector<int8_t>{0, 3, -4});
    g.set_steps({0.5f});
}

// As the small group, with low bits that are all 0.
void add_low_bits(TestGroup& g) {
    g.set_codebook({1, 33}, std::vector<float>(33));
    g.set_bytes(g.code_table, {1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /**/ 16, 0, 32});
    g.set_bytes(g.low_bits, {0, 0});
}

// The small group without Huffman codes.
void make_plain(TestGroup& g) {
    for (TestTensor* table : {&g.code_table, &g.gap_table}) g.set_bytes(*table, {});
    g.set_bytes(g.codes, {1, 2, 0, 1});
    g.set_bytes(g.gaps, {1, 1, 3, 2});
}

// All in the packet of 8 bytes, of which the first `count` symbols are entries: every one of code 0, at rising
// positions.
void set_many(TestGroup& g, int64_t count) {
    g.set_extent(count, 0, {count});
    g.set_bytes(g.gap_table, {});
    g.set_bytes(g.gaps, {});
}

const Case kCases[] = {
    {Rule::codebook_type, [](TestGroup& g) { g.dtype = kInt32; }},
    {Rule::codebook_type, [](TestGroup& g) { g.dtype = kFloat16; }},
    {Rule::codebook_type, [](TestGroup& g) { g.dtype = kUint8; }},
    {Rule::codebook_type, [](TestGroup& g) { g.codebook.set(kInt32, {1, 3}, std::vector<int32_t>{0, 1, 2}); }},
    {Rule::codebook_type, [](TestGroup& g) { g.codebook.set(kDouble, {1, 3}, std::vector<double>{0, 1, 2}); }},
    {Rule::codebook_type, [](TestGroup& g) { g.codebook.set(kInt8, {1, 3}, std::vector<int8_t>{0, 1, 2}); }},
    {Rule::codebook_type,
     [](TestGroup& g) { g.codebook.set(kFloat16, {1, 3}, std::vector<uint16_t>(3)), g.dtype = kBfloat16; }},
    {Rule::codebook_type,
     [](TestGroup& g) { g.codebook.set(kBfloat16, {1, 3}, std::vector<uint16_t>(3)), g.dtype = kFloat16; }},
    {Rule::codebook_type, [](TestGroup& g) { make_grid(g), g.dtype = kUint8; }},
    {Rule::codebook_type, [](TestGroup& g) { make_grid(g), g.set_bytes(g.step, {}), g.dtype = kUint4; }},
    {Rule::codebook_type, [](TestGroup& g) { g.set_steps({0.5f}); }},
    {Rule::codebook_shape, [](TestGroup& g) { g.codebook.dims = {3}; }},
    {Rule::codebook_shape, [](TestGroup& g) { g.set_codebook({0, 3}, {}); }},
    {Rule::codebook_shape, [](TestGroup& g) { g.set_codebook({1, 0}, {}); }},
    {Rule::codebook_shape, [](TestGroup& g) { g.set_codebook({1, 257}, std::vector<float>(257)); }},
    {Rule::codebook_shape, [](TestGroup& g) { make_grid(g), g.codebook.set(kInt8, {2, 3}, std::vector<int8_t>(6)); }},
    {Rule::step, [](TestGroup& g) { make_grid(g), g.step.set(kDouble, {1, 1}, std::vector<double>{0.5}); }},
    {Rule::step, [](TestGroup& g) { make_grid(g), g.step.dims = {1}; }},
    {Rule::step, [](TestGroup& g) { make_grid(g), g.step.set(kFloat, {1, 2}, std::vector<float>{1, 1}); }},
    {Rule::step, [](TestGroup& g) { make_grid(g), g.step.set(kFloat, {0, 1}, std::vector<float>{}); }},
    {Rule::step, [](TestGroup& g) { make_grid(g), g.dtype = kInt8; }},
    {Rule::step, [](TestGroup& g) { make_grid(g), g.set_steps({0.0f}); }},
    {Rule::step, [](TestGroup& g) { make_grid(g), g.set_steps({-0.5f}); }},
    {Rule::step, [](TestGroup& g) { make_grid(g), g.set_steps({NAN}); }},
    {Rule::step, [](TestGroup& g) { make_grid(g), g.set_steps({INFINITY}); }},
    {Rule::step, [](TestGroup& g) { make_grid(g), g.set_steps({0x1.2p100f}); }},
    {Rule::step, [](TestGroup& g) { make_grid(g), g.set_steps({0x1p-101f}); }},
    {Rule::step, [](TestGroup& g) { make_grid(g), g.dtype = kDouble, g.set_steps({1.0625f}); }},
    {Rule::tensor_type, [](TestGroup& g) { g.extent.set(kInt32, {4}, std::vector<int32_t>{4, 0, 2, 5}); }},
    {Rule::tensor_type, [](TestGroup& g) { g.extent.dims = {2, 2}; }},
    {Rule::tensor_type, [](TestGroup& g) { g.codes.dims = {1, 8}; }},
    {Rule::tensor_type, [](TestGroup& g) { g.codes.type = kInt8; }},
    {Rule::tensor_type, [](TestGroup& g) { g.low_bits.type = kFloat; }},
    {Rule::tensor_type, [](TestGroup& g) { g.gap_table.dims = {15, 1}; }},
    {Rule::extent, [](TestGroup& g) { g.extent.set(kInt64, {1}, std::vector<int64_t>{0}); }},
    {Rule::extent, [](TestGroup& g) { g.set_shape({-2, 5}); }},
    {Rule::extent, [](TestGroup& g) { g.set_shape({65536, 32768}); }},
    {Rule::extent, [](TestGroup& g) { g.set_shape({int64_t{1} << 62, int64_t{1} << 62}); }},
    {Rule::extent, [](TestGroup& g) { g.set_shape({int64_t{1} << 31, 0}); }},
    {Rule::extent, [](TestGroup& g) { g.set_shape(std::vector<int64_t>(33, 1)); }},
    {Rule::extent, [](TestGroup& g) { g.set_extent(-1, 0, {2, 5}); }},
    {Rule::extent, [](TestGroup& g) { g.set_extent(11, 0, {2, 5}); }},
    {Rule::extent, [](TestGroup& g) { g.set_extent(4, -1, {2, 5}); }},
    {Rule::extent, [](TestGroup& g) { g.set_extent(4, 3, {2, 5}); }},
    {Rule::groups, [](TestGroup& g) { g.set_codebook({3, 3}, std::vector<float>(9)); }},
    {Rule::groups, [](TestGroup& g) { g.set_codebook({2, 3}, std::vector<float>(6)), g.group_axis = 2; }},
    {Rule::groups, [](TestGroup& g) { g.set_codebook({2, 3}, std::vector<float>(6)), g.group_axis = -1; }},
    {Rule::groups, [](TestGroup& g) { make_grid(g), g.set_steps({1, 1, 1}); }},
    {Rule::packet_size, [](TestGroup& g) { g.packet = 0; }},
    {Rule::packet_size, [](TestGroup& g) { g.packet = 24; }},
    {Rule::packet_size, [](TestGroup& g) { g.packet = 192; }},
    {Rule::packet_size, [](TestGroup& g) { g.packet = 512; }},
    {Rule::packet_size, [](TestGroup& g) { g.set_bytes(g.codes, std::vector<uint8_t>(12, 0xff)); }},
    {Rule::packet_size, [](TestGroup& g) { g.set_bytes(g.gaps, {0xff}); }},
    {Rule::form, [](TestGroup& g) { g.set_bytes(g.gaps, {}), g.set_bytes(g.gap_table, {}); }},
    {Rule::form, [](TestGroup& g) { g.set_extent(0, 0, {2, 5}); }},
    {Rule::form,
     [](TestGroup& g) {
         for (TestTensor* tensor : {&g.code_table, &g.codes, &g.gap_table, &g.gaps}) g.set_bytes(*tensor, {});
         g.set_extent(0, 0, {2, 5}), g.set_bytes(g.low_bits, {0});
     }},
    {Rule::form, [](TestGroup& g) { g.set_bytes(g.codes, {}), g.set_bytes(g.code_table, {}); }},
    {Rule::form, [](TestGroup& g) { set_many(g, 4), g.set_extent(4, 1, {4}); }},
    {Rule::zero, [](TestGroup& g) { g.set_codebook({1, 3}, {-0.0f, 1.5f, -2.0f}); }},
    {Rule::zero, [](TestGroup& g) { g.set_codebook({2, 3}, {0, 1, 2, 1, 1, 2}); }},
    {Rule::zero, [](TestGroup& g) { g.set_extent(4, 1, {2, 5}); }},
    {Rule::zero, [](TestGroup& g) { make_grid(g), g.set_extent(4, 2, {2, 5}); }},
    {Rule::table_size, [](TestGroup& g) { g.set_bytes(g.code_table, {}); }},
    {Rule::table_size, [](TestGroup& g) { g.set_bytes(g.code_table, std::vector<uint8_t>(11, 1)); }},
    {Rule::table_size, [](TestGroup& g) { g.code_table.bytes.pop_back(), g.code_table.dims = {14}; }},
    {Rule::table_size, [](TestGroup& g) { g.gap_table.bytes.push_back(4), g.gap_table.dims = {16}; }},
    {Rule::table_size,
     [](TestGroup& g) { set_many(g, 4), g.set_bytes(g.gap_table, {2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}); }},
    {Rule::table_size, [](TestGroup& g) { make_plain(g), g.set_bytes(g.codes, {1, 2, 0}); }},
    {Rule::table_size, [](TestGroup& g) { make_plain(g), g.set_bytes(g.gaps, {1, 1, 3, 2, 1}); }},
    {Rule::kraft, [](TestGroup& g) { g.code_table.bytes[0] = 0, g.code_table.bytes[1] = 3; }},
    {Rule::kraft, [](TestGroup& g) { g.gap_table.bytes[0] = 2, g.gap_table.bytes[1] = 1; }},
    {Rule::kraft, [](TestGroup& g) { g.set_bytes(g.code_table, std::vector<uint8_t>(12)); }},
    {Rule::kraft, [](TestGroup& g) { g.set_bytes(g.code_table, {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}); }},
    {Rule::kraft, [](TestGroup& g) { g.set_bytes(g.code_table, {0, 0, 0, 0, 0, 0, 0, 255, 2, 0, 0, 0}); }},
    {Rule::low_bits, [](TestGroup& g) { make_plain(g), g.set_bytes(g.low_bits, {0, 0}); }},
    {Rule::low_bits, [](TestGroup& g) { add_low_bits(g), g.set_bytes(g.low_bits, {0}); }},
    {Rule::low_bits, [](TestGroup& g) { add_low_bits(g), g.set_bytes(g.low_bits, {0, 0, 0}); }},
    {Rule::low_bits,
     [](TestGroup& g) { add_low_bits(g), g.set_extent(3, 0, {2, 5}), g.set_bytes(g.low_bits, {0, 16}); }},
    {Rule::low_bits, [](TestGroup& g) { add_low_bits(g), g.code_table.bytes[12] = 17; }},
    {Rule::low_bits,
     [](TestGroup& g) { add_low_bits(g), g.set_bytes(g.code_table, {0, 0, 0, 15, 2, 0, 0, 0, 0, 0, 0, 0}); }},
    {Rule::checksum, [](TestGroup& g) { g.right_checksum = false; }},
    // More entries than bits, and more than codewords: of one bit and of two.
    {Rule::truncated, [](TestGroup& g) { set_many(g, 65); }},
    {Rule::truncated, [](TestGroup& g) { set_many(g, 64); }},
    {Rule::truncated, [](TestGroup& g) { g.set_extent(40, 0, {2, 50}); }},
    {Rule::truncated,
     [](TestGroup& g) { g.set_bytes(g.codes, packet_of({0, 0, 0, 0, 0})), g.set_extent(40, 0, {2, 500}); }},
    {Rule::truncated,
     [](TestGroup& g) {
         std::vector<uint8_t> codes(16);
         std::fill(codes.begin() + 9, codes.end(), 0xff);
         g.set_bytes(g.codes, codes), g.set_extent(72, 0, {2, 500});
     }},
    {Rule::packet_fill, [](TestGroup& g) { g.codes.bytes[0] = 0b01110010; }},
    {Rule::packet_fill, [](TestGroup& g) { g.codes.bytes[7] = 0xfe; }},
    {Rule::packet_fill, [](TestGroup& g) { g.gaps.bytes[3] = 0x7f; }},
    {Rule::packet_fill, [](TestGroup& g) { g.codes.bytes.resize(16, 0xff), g.codes.dims = {16}; }},
    {Rule::packet_fill, [](TestGroup& g) { g.gaps.bytes.resize(64, 0xff), g.gaps.dims = {64}; }},
    {Rule::code, [](TestGroup& g) { g.code_table.bytes[14] = 3; }},
    {Rule::code, [](TestGroup& g) { add_low_bits(g), g.set_bytes(g.low_bits, {0, 1}); }},
    {Rule::code, [](TestGroup& g) { make_plain(g), g.set_bytes(g.codes, {1, 2, 0, 3}); }},
    {Rule::position, [](TestGroup& g) { make_plain(g), g.set_bytes(g.gaps, {1, 1, 0, 2}); }},
    {Rule::position, [](TestGroup& g) { make_plain(g), g.set_bytes(g.gaps, {1, 1, 3, 5}); }},
    {Rule::position, [](TestGroup& g) { g.set_shape({7}); }},
    {Rule::position, [](TestGroup& g) { g.gap_table.bytes[13] = 0; }},
    {Rule::position, [](TestGroup& g) { g.gap_table.bytes[14] = 255; }},
};

void test_each_rule() {
    for (const Case& bad : kCases) {
        TestGroup group = small_group();
        bad.damage(group);
        const Verdict verdict = verdict_on(group);
        CHECK(verdict.has_value() && verdict->rule == bad.rule);
        if (!verdict || verdict->rule != bad.rule) {
            std::fprintf(stderr, "  case %td: expected %s, got %s\n", &bad - kCases, rule_name(bad.rule),
                         verdict ? rule_name(verdict->rule) : "nothing");
        }
        if (verdict) CHECK(!verdict->detail.empty());
    }
}

// The groups that the cases above change are legal without their last change.
void test_good_groups() {
    TestGroup grid = small_group(), low_bits = small_group(), steps = small_group(), plain = small_group();
    make_plain(plain);
    make_grid(grid);
    add_low_bits(low_bits);
    make_grid(steps);
    steps.set_steps({0x1p100f, 0x1.ep-100f});
    for (const TestGroup* group : {&grid, &low_bits, &steps, &plain}) CHECK(!verdict_on(*group));
    CHECK(!verdict_on(small_group()));
}

// A stream of 2^31 bytes: refused for its size alone, before anything reads it, so it need not exist.
void test_stream_size() {
    const TestGroup test = small_group();
    for (int which : {0, 1}) {
        WeightGroup group = test.view();
        const int64_t nbytes = int64_t{1} << 31;
        (which ? group.gaps : group.codes).dims = &nbytes;
        CheckedGroup checked;
        const Verdict broken = check_group(group, &checked);
        CHECK(broken && broken->rule == Rule::packet_size);
    }
}

// A codebook of 2^31 elements is refused for its size, before anything reads it: with 2^32 groups, which divide an axis
// of length 0, and with so many codes in all that their numbers would not fit in 32 bits.
void test_codebook_size() {
    TestGroup test = small_group(), grid = small_group();
    make_grid(grid);
    test.set_shape({0, 5});
    grid.set_shape({0, 5});
    WeightGroup group = test.view(), steps = grid.view();
    constexpr int64_t kSizes[][2] = {{int64_t{1} << 32, 1}, {int64_t{1} << 31, 1}, {1 << 23, 256}, {INT64_MAX, 256}};
    for (const auto& size : kSizes) {
        group.codebook.dims = size;
        CheckedGroup checked;
        const Verdict broken = check_group(group, &checked);
        CHECK(broken && broken->rule == Rule::codebook_shape);
    }
    for (const int64_t groups : {int64_t{1} << 31, int64_t{1} << 30, INT64_MAX}) {
        const int64_t dims[] = {groups, 1};
        steps.step.dims = dims;
        CheckedGroup checked;
        const Verdict broken = check_group(steps, &checked);
        CHECK(broken && broken->rule == Rule::codebook_shape);
    }
    // No position asks for the group of an element of an empty weight, but the question has an answer.
    CHECK(GroupOfPosition({0, 4}, int64_t{1} << 32, 0)(0) == 0);
    CHECK(GroupOfPosition({0, 4}, 2, 0)(3) == 0);
}

// Every single bit of the streams flipped, with a checksum that was made to match: an error or another weight, but
// never an access outside the arrays. The bits after the last codeword cannot be flipped.
void test_flipped_bits() {
    for (unsigned bit = 0; bit < 64; ++bit) {
        TestGroup codes = small_group(), gaps = small_group();
        const auto mask = static_cast<uint8_t>(0x80 >> bit % 8);
        codes.codes.bytes[bit / 8] ^= mask;
        gaps.gaps.bytes[bit / 8] ^= mask;
        for (const TestGroup* group : {&codes, &gaps}) {
            const Verdict verdict = verdict_on(*group);
            CHECK(!verdict || verdict->rule >= Rule::truncated);
            if (bit >= 6) CHECK(verdict && verdict->rule == Rule::packet_fill);
        }
    }
}

// A packet in the middle whose fill is not ones. Codewords 00, 01, 10, 110, 111: after a codeword of three bits in a
// packet of 64, the last bit is 0 or 1, and fits no codeword.
void test_fill_in_every_part() {
    const TestCode code{{2, 2, 2, 3, 3}, {0, 1, 2, 3, 4}};
    std::vector<uint8_t> packet(31, 1);
    packet[5] = 3;
    const std::vector<uint8_t> one = write_packets(code, packet, 8);
    constexpr size_t kPackets = 60000;
    CHECK(one.size() == 8);
    std::vector<uint8_t> codes;
    for (size_t i = 0; i < kPackets; ++i) codes.insert(codes.end(), one.begin(), one.end());
    TestGroup group;
    group.set_codebook({1, 5}, {0, 1, 2, 3, 4});
    group.set_bytes(group.code_table, code.table());
    group.set_bytes(group.codes, codes);
    const auto entries = static_cast<int64_t>(31 * kPackets);
    group.set_extent(entries, 0, {entries});
    CHECK(!verdict_on(group));
    for (size_t packet : {size_t{0}, size_t{1}, size_t{700}, size_t{1023}, size_t{1024}, kPackets / 2, kPackets - 1}) {
        TestGroup bad = small_group();
        for (auto member : {&TestGroup::codebook, &TestGroup::code_table, &TestGroup::codes, &TestGroup::gap_table,
                            &TestGroup::gaps, &TestGroup::extent})
            (bad.*member).set((group.*member).type, (group.*member).dims, (group.*member).bytes);
        // The same again in the last packet: the first is named.
        for (size_t damaged : {packet, kPackets - 1}) bad.codes.bytes[8 * damaged + 7] &= 0xfe;
        const Verdict broken = verdict_on(bad);
        CHECK(broken && broken->rule == Rule::packet_fill);
        const std::string expected = "packet " + std::to_string(packet) + " of codes ";
        if (broken) CHECK(broken->detail.compare(0, expected.size(), expected) == 0);
    }
}

// Bits flipped all over the streams, as above.
void test_flipped_bits_in_every_part() {
    std::mt19937 random(7);
    std::vector<float> values;
    TestGroup group = random_group(900000, 4, random, &values);
    CHECK(!verdict_on(group));
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

// Any byte of any tensor changed, in groups of every kind.
void test_random_damage() {
    std::mt19937 random(9);
    for (int round = 0; round < 3000; ++round) {
        std::vector<float> values;
        TestGroup group;
        if (round % 3 == 0) {
            group = random_group(500, 5, random, &values);
        } else {
            std::vector<uint8_t> elements(1 + random() % 300);
            for (uint8_t& element : elements) element = random() % 2 ? static_cast<uint8_t>(random() % 100) : 0;
            Writing writing;
            writing.codes = 100;
            writing.dense = random() % 2;
            writing.low_bits = random() % 2;
            writing.plain_gaps = random() % 2;
            writing.plain_codes = !writing.low_bits && random() % 2;
            group = write_elements(elements, writing, random);
            group.set_codebook({1, 100}, std::vector<float>(100));
        }
        for (auto member : {&TestGroup::code_table, &TestGroup::codes, &TestGroup::low_bits, &TestGroup::gap_table,
                            &TestGroup::gaps, &TestGroup::extent}) {
            std::vector<uint8_t>& bytes = (group.*member).bytes;
            if (bytes.empty() || random() % 4) continue;
            uint8_t& byte = bytes[random() % bytes.size()];
            byte = static_cast<uint8_t>(random() % 2 ? random() : byte + 1);
        }
        const WeightGroup view = group.view();
        CheckedGroup checked;
        if (!check_group(view, &checked) && checked.numel < 100000) (void)verdict_on(group);
    }
}

}  // namespace

int main() {
    test_each_rule();
    test_good_groups();
    test_stream_size();
    test_codebook_size();
    test_flipped_bits();
    test_fill_in_every_part();
    test_flipped_bits_in_every_part();
    test_random_damage();
    return check::finish();
}
