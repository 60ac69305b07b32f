// Decoding legal weight groups: to nonzeros, to dense arrays of every type, and to codes.
#include <algorithm>
#include <cmath>
#include <random>

#include "check.h"
#include "decoder/decode.h"
#include "decoder/floats.h"
#include "group_builder.h"

using namespace onnxdc;

namespace {

CheckedGroup checked(const WeightGroup& group) {
    CheckedGroup result;
    const Verdict broken = check_group(group, &result);
    if (broken) std::fprintf(stderr, "%s: %s\n", rule_name(broken->rule), broken->detail.c_str());
    CHECK(!broken);
    return result;
}

template <class T>
std::vector<T> dense(const TestGroup& group) {
    const CheckedGroup view = checked(group.view());
    std::vector<T> values(static_cast<size_t>(view.numel));
    CHECK(!decode_dense(view, values.data()));
    return values;
}

// A weight of one group from its nonzeros.
std::vector<float> dense_of(const SparseWeight& weight) {
    std::vector<float> values(static_cast<size_t>(weight.numel()));
    for (size_t i = 0; i < weight.position.size(); ++i) {
        CHECK(i == 0 || weight.position[i - 1] < weight.position[i]);
        CHECK(weight.code[i] < weight.codes_per_group);
        values[weight.position[i]] = weight.codebook[weight.code[i]];
    }
    return values;
}

// Every element of a weight from its codes.
std::vector<float> dense_of(const ElementCodes& weight, size_t numel) {
    std::vector<float> values(numel);
    for (size_t i = 0; i < weight.code.size(); ++i) {
        CHECK(weight.code[i] < weight.codes_per_group);
        const auto group = static_cast<int64_t>(i) / weight.group_span % weight.groups;
        values[i] = weight.codebook[static_cast<size_t>(group * weight.codes_per_group + weight.code[i])];
    }
    return values;
}

void test_small_group() {
    const TestGroup group = small_group();
    CHECK(dense<float>(group) == (std::vector<float>{0, 1.5f, -2, 0, 0, 0, 0, 1.5f, 0, 0}));
    SparseWeight weight;
    const WeightGroup view = group.view();
    CHECK(!decode_sparse(checked(view), &weight));
    // The filler zero at 5 is gone, and so is its code.
    CHECK(weight.position == (std::vector<uint32_t>{1, 2, 7}));
    CHECK(weight.code == (std::vector<uint8_t>{0, 1, 0}));
    CHECK(weight.codebook == (std::vector<float>{1.5f, -2}));
    CHECK(weight.shape == (std::vector<int64_t>{2, 5}));
    CHECK(weight.numel() == 10 && weight.nnz() == 3 && weight.codes_per_group == 2);
}

void test_first_gap_of_zero() {
    TestGroup group = small_group();
    group.set_bytes(group.gap_table, {1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /**/ 1, 0, 3});
    group.set_bytes(group.gaps, packet_of({0b10011011}));  // 0, 1, 3, 1
    CHECK(dense<float>(group) == (std::vector<float>{1.5f, -2, 0, 0, 0, 1.5f, 0, 0, 0, 0}));
}

void test_dense_form() {
    TestGroup group = small_group();
    group.set_bytes(group.gap_table, {});
    group.set_bytes(group.gaps, {});
    group.set_extent(4, 0, {4});
    CHECK(dense<float>(group) == (std::vector<float>{1.5f, -2, 0, 1.5f}));
    SparseWeight weight;
    const WeightGroup view = group.view();
    CHECK(!decode_sparse(checked(view), &weight));
    CHECK(weight.position == (std::vector<uint32_t>{0, 1, 3}) && weight.code == (std::vector<uint8_t>{0, 1, 0}));
}

// 256 values of which none is zero: of the dense form, and no code is dropped. -0.0 is a value.
void test_no_zero() {
    std::mt19937 random(8);
    std::vector<float> values(256);
    for (size_t i = 0; i < values.size(); ++i) values[i] = i == 77 ? -0.0f : static_cast<float>(i) + 1.0f;
    std::vector<uint8_t> elements(2000);
    for (uint8_t& element : elements) element = static_cast<uint8_t>(random());
    Writing writing;
    writing.codes = 256;
    writing.dense = true;
    TestGroup group = write_elements(elements, writing, random);
    group.set_codebook({1, 256}, values);
    const std::vector<float> decoded = dense<float>(group);
    for (size_t i = 0; i < elements.size(); ++i)
        CHECK(std::memcmp(&decoded[i], &values[elements[i]], sizeof(float)) == 0);
    SparseWeight weight;
    const WeightGroup view = group.view();
    CHECK(!decode_sparse(checked(view), &weight));
    CHECK(weight.nnz() == 2000 && weight.codes_per_group == 256 && dense_of(weight) == decoded);
}

void test_no_entries() {
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{}, {0}, {3, 0, 2}, {7}}) {
        TestGroup group;
        group.set_codebook({1, 3}, {1.5f, 0.0f, -2.0f});
        group.set_extent(0, 1, shape);
        const std::vector<float> values = dense<float>(group);
        CHECK(std::count(values.begin(), values.end(), 0.0f) == static_cast<int64_t>(values.size()));
        SparseWeight weight;
        ElementCodes codes;
        const WeightGroup view = group.view();
        const CheckedGroup good = checked(view);
        CHECK(!decode_sparse(good, &weight) && weight.nnz() == 0);
        CHECK(!decode_codes(good, &codes) && codes.code.empty() && codes.group_span > 0);
    }
}

void test_groups(const TestGroup& group, const std::vector<float>& expected) {
    CHECK(dense<float>(group) == expected);
    ElementCodes codes;
    const WeightGroup view = group.view();
    CHECK(!decode_codes(checked(view), &codes));
    CHECK(dense_of(codes, expected.size()) == expected);
}

void test_groups_along_an_axis() {
    // Columns 0 and 1 are of the first group, columns 2 and 3 of the second: all entries have code 1.
    TestGroup group;
    group.set_codebook({2, 2}, {0, 10, 0, 20});
    group.set_bytes(group.code_table, {2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    group.set_bytes(group.codes, packet_of({}));
    group.set_extent(8, 0, {2, 4});
    group.group_axis = 1;
    test_groups(group, {10, 10, 20, 20, 10, 10, 20, 20});
    group.group_axis = 0;
    test_groups(group, {10, 10, 10, 10, 20, 20, 20, 20});
    // The same as a grid.
    group.codebook.set(kInt8, {1, 2}, std::vector<int8_t>{0, -5});
    group.set_steps({2, 0x1p-100f});
    CHECK(dense<float>(group) ==
          (std::vector<float>{-10, -10, -10, -10, -0x5p-100f, -0x5p-100f, -0x5p-100f, -0x5p-100f}));
    // A value that is zero in one group only is no zero of the weight.
    group.set_codebook({2, 2}, {1, 0, 2, 3});
    group.set_bytes(group.step, {});
    SparseWeight weight;
    const WeightGroup view = group.view();
    CHECK(!decode_sparse(checked(view), &weight));
    CHECK(weight.nnz() == 8 && weight.codes_per_group == 2);
}

void test_every_type() {
    TestGroup group = small_group();
    // 0, 1.5, -2 as bfloat16 and float16; a weight may be wider than its codebook.
    const std::vector<uint16_t> bfloat16 = {0, 0x3FC0, 0xC000}, float16 = {0, 0x3E00, 0xC000};
    group.codebook.set(kFloat16, {1, 3}, float16);
    CHECK(dense<float>(group) == (std::vector<float>{0, 1.5f, -2, 0, 0, 0, 0, 1.5f, 0, 0}));
    group.dtype = kDouble;
    CHECK(dense<double>(group) == (std::vector<double>{0, 1.5, -2, 0, 0, 0, 0, 1.5, 0, 0}));
    group.dtype = kFloat16;
    CHECK(dense<uint16_t>(group) == (std::vector<uint16_t>{0, 0x3E00, 0xC000, 0, 0, 0, 0, 0x3E00, 0, 0}));
    group.codebook.set(kBfloat16, {1, 3}, bfloat16);
    group.dtype = kBfloat16;
    CHECK(dense<uint16_t>(group) == (std::vector<uint16_t>{0, 0x3FC0, 0xC000, 0, 0, 0, 0, 0x3FC0, 0, 0}));
    group.dtype = kFloat;
    CHECK(dense<float>(group) == (std::vector<float>{0, 1.5f, -2, 0, 0, 0, 0, 1.5f, 0, 0}));
    // Bits of a NaN of the weight's own type stay.
    group.codebook.set(kFloat, {1, 3}, std::vector<uint32_t>{0, 0x7f800001, 0xffc12345});
    CHECK(dense<uint32_t>(group) == (std::vector<uint32_t>{0, 0x7f800001, 0xffc12345, 0, 0, 0, 0, 0x7f800001, 0, 0}));

    group.codebook.set(kInt8, {1, 3}, std::vector<int8_t>{0, 7, -8});
    group.dtype = kInt8;
    CHECK(dense<int8_t>(group) == (std::vector<int8_t>{0, 7, -8, 0, 0, 0, 0, 7, 0, 0}));
    group.dtype = kInt4;  // the lower nibble of a byte
    CHECK(dense<uint8_t>(group) == (std::vector<uint8_t>{0, 7, 8, 0, 0, 0, 0, 7, 0, 0}));
    group.codebook.set(kUint8, {1, 3}, std::vector<uint8_t>{0, 7, 255});
    group.dtype = kUint8;
    CHECK(dense<uint8_t>(group) == (std::vector<uint8_t>{0, 7, 255, 0, 0, 0, 0, 7, 0, 0}));
    group.codebook.set(kUint8, {1, 3}, std::vector<uint8_t>{0, 7, 15});
    group.dtype = kUint4;
    CHECK(dense<uint8_t>(group) == (std::vector<uint8_t>{0, 7, 15, 0, 0, 0, 0, 7, 0, 0}));
}

void test_grids() {
    TestGroup group = small_group();
    group.codebook.set(kInt16, {1, 3}, std::vector<int16_t>{0, 32767, -32768});
    group.set_steps({1.875f});
    CHECK(dense<float>(group)[1] == 32767 * 1.875f && dense<float>(group)[2] == -61440.0f);
    group.dtype = kDouble;
    CHECK(dense<double>(group)[1] == 32767 * 1.875);
    group.dtype = kFloat16;
    CHECK(dense<uint16_t>(group)[1] == 0x7b80 && dense<uint16_t>(group)[2] == 0xfb80);  // 61440, the nearest
    group.dtype = kBfloat16;
    CHECK(dense<uint16_t>(group)[1] == 0x4770 && dense<uint16_t>(group)[2] == 0xc770);
    // Integers times a step of every exponent, one bit above what float16 holds: half-way, so the even one is nearest.
    for (int exponent = -30; exponent <= 5; ++exponent) {
        group.codebook.set(kInt16, {1, 3}, std::vector<int16_t>{0, 2049, -2051});
        group.set_steps({std::ldexp(1.0f, exponent)});
        group.dtype = kFloat16;
        const std::vector<uint16_t> halves = dense<uint16_t>(group);
        const float quantum = std::max(std::ldexp(2.0f, exponent), 0x1p-24f);
        const auto nearest = [&](double value) { return std::nearbyint(value / quantum) * quantum; };
        const double first = nearest(std::ldexp(2049.0, exponent)), second = nearest(std::ldexp(-2051.0, exponent));
        CHECK(float16_to_float(halves[1]) == (first > 65504 ? INFINITY : first));
        CHECK(float16_to_float(halves[2]) == (second < -65504 ? -INFINITY : second));
    }
}

// All 65,536 of them there and back, NaNs apart.
void test_float16_values() {
    for (uint32_t half = 0; half < 65536; ++half) {
        const float value = float16_to_float(static_cast<uint16_t>(half)),
                    wide = bfloat16_to_float(static_cast<uint16_t>(half));
        if ((half >> 10 & 31) < 31) CHECK(float_to_float16(value) == half);
        if ((half >> 7 & 255) < 255) CHECK(float_to_bfloat16(wide) == half);
    }
    // The smallest subnormal, the largest subnormal, the largest value, and one third.
    const std::vector<std::pair<uint16_t, float>> cases = {
        {0x0001, 0x1p-24f}, {0x83FF, -0x1.FF8p-15f}, {0x7BFF, 65504.0f}, {0x3555, 0x1.554p-2f}};
    for (const auto& [half, value] : cases) CHECK(float16_to_float(half) == value);
    CHECK(float_to_float16(65519.9f) == 0x7BFF && float_to_float16(65520.0f) == 0x7C00);
    CHECK(float_to_float16(-1e30f) == 0xFC00 && float_to_float16(0x1p-26f) == 0 && float_to_float16(-0.0f) == 0x8000);
}

// What is written in any form, with any packets, is decoded by all three ways.
void test_writing(const Writing& writing, size_t numel, double density, std::mt19937& random) {
    std::vector<uint8_t> elements(numel);
    std::bernoulli_distribution keep(density);
    for (uint8_t& element : elements)
        element = keep(random) ? static_cast<uint8_t>(random() % static_cast<size_t>(writing.codes)) : writing.zero;
    TestGroup test = write_elements(elements, writing, random);
    std::vector<float> values(static_cast<size_t>(writing.codes)), expected;
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) - writing.zero;
    test.set_codebook({1, writing.codes}, values);
    for (uint8_t element : elements) expected.push_back(values[element]);
    CHECK(dense<float>(test) == expected);

    const WeightGroup view = test.view();
    const CheckedGroup group = checked(view);
    SparseWeight weight;
    CHECK(!decode_sparse(group, &weight));
    CHECK(dense_of(weight) == expected);
    CHECK(weight.nnz() == static_cast<int64_t>(numel) - std::count(expected.begin(), expected.end(), 0.0f));
    ElementCodes codes;
    CHECK(!decode_codes(group, &codes) && codes.code.size() <= numel);
    CHECK(dense_of(codes, numel) == expected);
}

void test_every_writing() {
    std::mt19937 random(2);
    for (int64_t packet : {8, 16, 32, 64}) {
        for (int64_t codes : {1, 2, 5, 16, 17, 200, 256}) {
            for (bool low_bits : {false, true}) {
                for (bool is_dense : {false, true}) {
                    Writing writing{codes, is_dense, 0, low_bits, packet, 1 + random() % 255};
                    writing.all_symbols = random() % 2 == 0;
                    if (!is_dense) writing.zero = static_cast<uint8_t>(random() % static_cast<size_t>(codes));
                    if (!low_bits && codes > 255) writing.all_symbols = true;
                    for (double density : {0.02, 0.5, 1.0}) test_writing(writing, 1 + random() % 3000, density, random);
                }
            }
        }
    }
}

void test_plain_streams() {
    std::mt19937 random(6);
    for (const bool plain_codes : {false, true}) {
        for (const bool plain_gaps : {false, true}) {
            for (const bool is_dense : {false, true}) {
                Writing writing;
                writing.codes = 200;
                writing.dense = is_dense;
                writing.plain_codes = plain_codes;
                writing.plain_gaps = plain_gaps;
                test_writing(writing, 1, 1.0, random);
                test_writing(writing, 5000, 0.3, random);
            }
        }
    }
}

// So many entries that threads share them.
void test_many_threads() {
    std::mt19937 random(4);
    for (const bool low_bits : {false, true}) {
        for (const bool is_dense : {false, true}) {
            Writing writing{100, is_dense, 0, low_bits, 32};
            test_writing(writing, 900000, 0.4, random);
        }
    }
}

}  // namespace

int main() {
    test_small_group();
    test_first_gap_of_zero();
    test_dense_form();
    test_no_zero();
    test_no_entries();
    test_groups_along_an_axis();
    test_every_type();
    test_grids();
    test_float16_values();
    test_every_writing();
    test_plain_streams();
    test_many_threads();
    return check::finish();
}
