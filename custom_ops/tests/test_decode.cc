// Decoding legal weight groups: to nonzeros, to dense arrays of every type, and by ranges.
#include <algorithm>
#include <random>

#include "check.h"
#include "decoder/decode.h"
#include "decoder/range_reader.h"
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

void test_small_group() {
    const TestGroup group = small_group();
    CHECK(dense<float>(group) == (std::vector<float>{0, 1.5f, -2, 0, 0, 0, 0, 1.5f, 0, 0}));
    SparseWeight weight;
    CHECK(!decode_sparse(checked(group.view()), &weight));
    // The filler zero at 6 is gone.
    CHECK(weight.position == (std::vector<uint32_t>{1, 2, 7}));
    CHECK(weight.code == (std::vector<uint8_t>{1, 2, 1}));
    CHECK(weight.codebook == (std::vector<float>{0, 1.5f, -2}));
    CHECK(weight.shape == (std::vector<int64_t>{2, 5}));
    CHECK(weight.numel() == 10 && weight.nnz() == 3);
}

void test_no_gaps() {
    TestGroup group = small_group();
    group.set_shape({4});
    group.set_bytes(group.gap_lengths, {});
    group.set_bytes(group.gaps, {});
    group.set_chunks({0, 0, 0, 0, /**/ 4, 1, 0, 4});
    CHECK(dense<float>(group) == (std::vector<float>{1.5f, -2, 0, 1.5f}));
}

void test_no_entries() {
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{}, {0}, {3, 0, 2}, {7}}) {
        TestGroup group = small_group();
        group.set_shape(shape);
        group.set_lengths(group.code_lengths, {0, 0, 0});
        for (TestTensor* tensor : {&group.codes, &group.gap_lengths, &group.gaps}) group.set_bytes(*tensor, {});
        group.set_chunks({0, 0, 0, 0, /**/ 0, 0, 0, 0});
        const std::vector<float> values = dense<float>(group);
        CHECK(std::count(values.begin(), values.end(), 0.0f) == static_cast<int64_t>(values.size()));
    }
}

void test_groups_along_an_axis() {
    // Columns 0 and 1 use the first row of the codebook, columns 2 and 3 the second: all entries have code 1, the lone
    // symbol.
    TestGroup group;
    group.set_codebook({2, 2}, {0, 10, 0, 20});
    group.set_lengths(group.code_lengths, {0, 1});
    group.set_bytes(group.codes, {0});
    group.set_bytes(group.gap_lengths, {});
    group.set_bytes(group.gaps, {});
    group.set_chunks({0, 0, 0, 0, /**/ 8, 1, 0, 8});
    group.set_shape({2, 4});
    group.group_axis = 1;
    CHECK(dense<float>(group) == (std::vector<float>{10, 10, 20, 20, 10, 10, 20, 20}));
    group.group_axis = 0;
    CHECK(dense<float>(group) == (std::vector<float>{10, 10, 10, 10, 20, 20, 20, 20}));
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
}

void test_float16_values() {
    // The smallest subnormal, the largest subnormal, the largest value, and one third.
    TestGroup group = small_group();
    const std::vector<std::pair<uint16_t, float>> cases = {
        {0x0001, 0x1p-24f}, {0x83FF, -0x1.FF8p-15f}, {0x7BFF, 65504.0f}, {0x3555, 0x1.554p-2f}};
    for (const auto& [half, value] : cases) {
        group.codebook.set(kFloat16, {1, 3}, std::vector<uint16_t>{0, half, half});
        CHECK(dense<float>(group)[1] == value);
    }
}

void test_many_chunks() {
    std::mt19937 random(2);
    for (int64_t numel : {1, 63, 64, 65, 127, 128, 129, 300, 1000, 5000}) {
        for (unsigned spacing : {1u, 2u, 10u}) {
            std::vector<float> expected;
            const TestGroup group = random_group(numel, spacing, random, &expected);
            CHECK(dense<float>(group) == expected);
        }
    }
}

// So many entries that threads share them.
void test_many_threads() {
    std::mt19937 random(4);
    std::vector<float> expected;
    const TestGroup test = random_group(600000, 4, random, &expected);
    CHECK(dense<float>(test) == expected);

    const WeightGroup view = test.view();
    const CheckedGroup group = checked(view);
    CHECK(group.entries() > 3 * 65536);
    SparseWeight weight;
    CHECK(!decode_sparse(group, &weight));
    std::vector<float> values(expected.size());
    for (size_t i = 0; i < weight.position.size(); ++i) {
        CHECK(weight.code[i] != 0 && (i == 0 || weight.position[i - 1] < weight.position[i]));
        values[weight.position[i]] = weight.codebook[weight.code[i]];
    }
    CHECK(values == expected);

    RangeReader reader;
    CHECK(!reader.open(group));
    reader.read(group.codes, group.gaps, 0, 600000, values.data());
    CHECK(values == expected);
}

void test_ranges() {
    std::mt19937 random(3);
    for (unsigned spacing : {1u, 2u, 10u}) {
        std::vector<float> expected;
        const TestGroup test = random_group(3000, spacing, random, &expected);
        const WeightGroup view = test.view();
        const CheckedGroup group = checked(view);
        RangeReader reader;
        CHECK(!reader.open(group));
        for (uint32_t begin = 0; begin < 3000; begin += 97) {
            for (uint32_t end : {begin, begin + 1, begin + 64, uint32_t{3000}}) {
                end = std::min(end, 3000u);
                std::vector<float> values(end - begin, -1.0f);
                reader.read(group.codes, group.gaps, begin, end, values.data());
                CHECK(std::equal(values.begin(), values.end(), expected.begin() + begin));
            }
        }
    }
}

}  // namespace

int main() {
    test_small_group();
    test_no_gaps();
    test_no_entries();
    test_groups_along_an_axis();
    test_every_type();
    test_float16_values();
    test_many_chunks();
    test_many_threads();
    test_ranges();
    return check::finish();
}
