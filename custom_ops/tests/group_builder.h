// Weight groups for tests, every tensor in an allocation of exactly its size, so that AddressSanitizer sees a read
// beyond it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "bit_writer.h"
#include "decoder/crc32.h"
#include "decoder/weight_group.h"

namespace onnxdc {

// One tensor of a group. Change dims, type or bytes at will; view() copies the bytes afresh.
struct TestTensor {
    int32_t type;
    std::vector<int64_t> dims;
    std::vector<uint8_t> bytes;
    mutable std::unique_ptr<uint8_t[]> exact;

    template <class T>
    void set(int32_t new_type, std::vector<int64_t> new_dims, const std::vector<T>& values) {
        type = new_type;
        dims = std::move(new_dims);
        bytes.resize(values.size() * sizeof(T));
        if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
    }

    TensorView view() const {
        exact.reset(new uint8_t[bytes.size()]);
        if (!bytes.empty()) std::memcpy(exact.get(), bytes.data(), bytes.size());
        return {exact.get(), dims.data(), static_cast<int32_t>(dims.size()), type};
    }
};

struct TestGroup {
    TestTensor codebook{}, step{}, code_table{}, codes{}, low_bits{}, gap_table{}, gaps{}, extent{};
    int64_t packet = 8, group_axis = 0, dtype = kFloat;
    bool right_checksum = true;

    TestGroup() {
        for (TestTensor* tensor : {&step, &code_table, &codes, &low_bits, &gap_table, &gaps}) set_bytes(*tensor, {});
    }

    // In the order of the format.
    std::vector<const TestTensor*> tensors() const {
        return {&codebook, &step, &code_table, &codes, &low_bits, &gap_table, &gaps, &extent};
    }

    void set_codebook(std::vector<int64_t> dims, const std::vector<float>& values) {
        codebook.set(kFloat, std::move(dims), values);
    }
    void set_steps(const std::vector<float>& values) {
        step.set(kFloat, {static_cast<int64_t>(values.size()), 1}, values);
    }
    void set_bytes(TestTensor& tensor, const std::vector<uint8_t>& values) {
        tensor.set(kUint8, {static_cast<int64_t>(values.size())}, values);
    }
    void set_extent(int64_t entries, int64_t zero, const std::vector<int64_t>& shape) {
        std::vector<int64_t> values{entries, zero};
        values.insert(values.end(), shape.begin(), shape.end());
        extent.set(kInt64, {static_cast<int64_t>(values.size())}, values);
    }
    // Everything but the shape stays.
    void set_shape(const std::vector<int64_t>& shape) {
        int64_t values[2];
        std::memcpy(values, extent.bytes.data(), sizeof values);
        set_extent(values[0], values[1], shape);
    }

    // Valid until the next call.
    WeightGroup view() const {
        WeightGroup group{codebook.view(), step.view(),      code_table.view(), codes.view(),
                          low_bits.view(), gap_table.view(), gaps.view(),       extent.view()};
        uint32_t crc = 0;
        for (const TestTensor* tensor : tensors()) crc = crc32(crc, tensor->bytes.data(), tensor->bytes.size());
        group.checksum = right_checksum ? crc : crc ^ 1;
        group.packet = packet;
        group.group_axis = group_axis;
        group.dtype = dtype;
        return group;
    }
};

// A packet of 8 bytes that begins with these and goes on with ones.
inline std::vector<uint8_t> packet_of(std::vector<uint8_t> bytes) {
    bytes.resize(8, 0xff);
    return bytes;
}

// A [2, 5] weight, zero but for 1.5 at 1, -2 at 2 and 1.5 at 7; gaps are at most 3, so a filler zero lies at 5.
//   entries     (gap, code): (1, 1) (1, 2) (3, 0) (2, 1)
//   codes       1 -> 0, 0 -> 10, 2 -> 11:  0 11 10 0
//   gaps        1 -> 0, 2 -> 10, 3 -> 11:  0 0 11 10
inline TestGroup small_group() {
    TestGroup group;
    group.set_codebook({1, 3}, {0.0f, 1.5f, -2.0f});
    group.set_bytes(group.code_table, {1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /**/ 1, 0, 2});
    group.set_bytes(group.codes, packet_of({0b01110011}));
    group.set_bytes(group.gap_table, {1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /**/ 1, 2, 3});
    group.set_bytes(group.gaps, packet_of({0b00111011}));
    group.set_extent(4, 0, {2, 5});
    return group;
}

// How to write the elements of a weight, each of which has a code.
struct Writing {
    int64_t codes = 4;  // of the codebook
    bool dense = false;
    uint8_t zero = 0;  // the code of zero; 0 in the dense form
    bool low_bits = false;
    int64_t packet = 8;
    size_t largest_gap = 7;
    bool plain_codes = false;
    bool plain_gaps = false;
    bool all_symbols = true;  // codes in a table that begins with the counts are left out where they are 0, 1, 2, ...
};

// Takes the lower bits of the codes away.
inline void write_low_bits(std::vector<uint8_t>* codes, TestGroup* group) {
    const size_t half = (codes->size() + 1) / 2;
    std::vector<uint8_t> low(half);
    for (size_t i = 0; i < codes->size(); ++i)
        low[i % half] = static_cast<uint8_t>(low[i % half] | ((*codes)[i] & 15) << (i < half ? 0 : 4));
    for (uint8_t& code : *codes) code &= 0xf0;
    group->set_bytes(group->low_bits, low);
}

inline void write_codes(std::vector<uint8_t> codes, const Writing& writing, std::mt19937& random, TestGroup* group) {
    if (writing.plain_codes) return group->set_bytes(group->codes, codes);
    std::vector<uint8_t> symbols;
    const int step = writing.low_bits ? 16 : 1;
    for (int code = 0; code < std::max(static_cast<int>(writing.codes), step + 1); code += step)
        symbols.push_back(static_cast<uint8_t>(code));
    if (writing.all_symbols) std::shuffle(symbols.begin(), symbols.end(), random);
    const TestCode code = random_code(symbols, random);
    if (writing.low_bits) write_low_bits(&codes, group);
    group->set_bytes(group->code_table, code.table(writing.all_symbols));
    group->set_bytes(group->codes, write_packets(code, codes, static_cast<size_t>(writing.packet)));
}

inline void write_gaps(const std::vector<uint8_t>& gaps, const Writing& writing, std::mt19937& random,
                       TestGroup* group) {
    if (writing.plain_gaps) return group->set_bytes(group->gaps, gaps);
    std::vector<uint8_t> symbols(writing.largest_gap + 1);
    std::iota(symbols.begin(), symbols.end(), uint8_t{0});
    std::shuffle(symbols.begin(), symbols.end(), random);
    const TestCode code = random_code(symbols, random);
    group->set_bytes(group->gap_table, code.table());
    group->set_bytes(group->gaps, write_packets(code, gaps, static_cast<size_t>(writing.packet)));
}

// The streams and the extent of a weight of one dimension, with random Huffman codes.
inline TestGroup write_elements(const std::vector<uint8_t>& elements, const Writing& writing, std::mt19937& random) {
    std::vector<uint8_t> codes, gaps;
    size_t next = 0;  // the position that a gap of 0 would lead to
    for (size_t position = 0; position < elements.size(); ++position) {
        if (!writing.dense && elements[position] == writing.zero && position - next < writing.largest_gap) continue;
        codes.push_back(elements[position]);
        gaps.push_back(static_cast<uint8_t>(position - next));
        next = position;
    }
    TestGroup group;
    group.packet = writing.packet;
    group.set_extent(static_cast<int64_t>(codes.size()), writing.zero, {static_cast<int64_t>(elements.size())});
    if (codes.empty()) return group;
    write_codes(codes, writing, random, &group);
    if (!writing.dense) write_gaps(gaps, writing, random, &group);
    return group;
}

// `numel` elements of which about one in `spacing` is a nonzero, or a zero that is stored, and the dense weight that
// they stand for.
inline TestGroup random_group(int64_t numel, unsigned spacing, std::mt19937& random, std::vector<float>* expected) {
    std::vector<uint8_t> elements(static_cast<size_t>(numel));
    for (uint8_t& element : elements) element = random() % spacing == 0 ? static_cast<uint8_t>(random() % 4) : 0;
    TestGroup group = write_elements(elements, {}, random);
    group.set_codebook({1, 4}, {0, 1, 2, 3});
    expected->assign(elements.begin(), elements.end());
    return group;
}

}  // namespace onnxdc
