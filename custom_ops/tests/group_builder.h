// Weight groups for tests, every tensor in an allocation of exactly its size, so that AddressSanitizer sees a read
// beyond it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
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
    TestTensor codebook{}, code_lengths{}, codes{}, gap_lengths{}, gaps{}, chunks{}, shape{};
    int64_t index_bits = 8, chunk_size = 4096, group_axis = 0, dtype = kFloat;
    bool right_checksum = true;

    void set_codebook(std::vector<int64_t> dims, const std::vector<float>& values) {
        codebook.set(kFloat, std::move(dims), values);
    }
    void set_bytes(TestTensor& tensor, const std::vector<uint8_t>& values) {
        tensor.set(kUint8, {static_cast<int64_t>(values.size())}, values);
    }
    // One length a symbol, packed as the format wants them.
    void set_lengths(TestTensor& tensor, std::vector<uint8_t> lengths) {
        if (lengths.size() % 2 == 1) lengths.push_back(0);
        std::vector<uint8_t> packed;
        for (size_t i = 0; i < lengths.size(); i += 2) {
            packed.push_back(static_cast<uint8_t>(lengths[i] | lengths[i + 1] << 4));
        }
        set_bytes(tensor, packed);
    }
    void set_chunks(const std::vector<int32_t>& rows) {
        chunks.set(kInt32, {static_cast<int64_t>(rows.size()) / 4, 4}, rows);
    }
    void set_shape(const std::vector<int64_t>& dims) { shape.set(kInt64, {static_cast<int64_t>(dims.size())}, dims); }

    // Valid until the next call.
    WeightGroup view() const {
        WeightGroup group{codebook.view(), code_lengths.view(), codes.view(), gap_lengths.view(),
                          gaps.view(),     chunks.view(),       shape.view()};
        uint32_t crc = 0;
        for (const TestTensor* tensor : {&codebook, &code_lengths, &codes, &gap_lengths, &gaps, &chunks, &shape}) {
            crc = crc32(crc, tensor->bytes.data(), tensor->bytes.size());
        }
        group.checksum = right_checksum ? crc : crc ^ 1;
        group.index_bits = index_bits;
        group.chunk_size = chunk_size;
        group.group_axis = group_axis;
        group.dtype = dtype;
        return group;
    }
};

// A [2, 5] weight, zero but for 1.5 at 1, -2 at 2 and 1.5 at 7; at most 3 fits in a gap of 2 bits, so a filler zero
// lies at 6.
//   entries     (gap, code): (1, 1) (0, 2) (3, 0) (0, 1)
//   codes       1 -> 0, 0 -> 10, 2 -> 11:  0 11 10 0 (00)
//   gaps        0 -> 0, 1 -> 10, 3 -> 11:  10 0 11 0 (00)
inline TestGroup small_group() {
    TestGroup group;
    group.set_codebook({1, 3}, {0.0f, 1.5f, -2.0f});
    group.set_lengths(group.code_lengths, {2, 1, 2});
    group.set_bytes(group.codes, {0b01110000});
    group.set_lengths(group.gap_lengths, {1, 2, 0, 2});
    group.set_bytes(group.gaps, {0b10011000});
    group.set_chunks({0, 0, 0, 0, /**/ 4, 1, 1, 8});
    group.set_shape({2, 5});
    group.index_bits = 2;
    return group;
}

// `numel` elements, nonzero at about one in `spacing`, in chunks of 64 entries, and the dense weight they stand for.
inline TestGroup random_group(int64_t numel, unsigned spacing, std::mt19937& random, std::vector<float>* expected) {
    const std::vector<uint8_t> code_lengths = {3, 3, 2, 1}, gap_lengths = {1, 2, 3, 4, 5, 6, 7, 7};
    const std::vector<unsigned> codewords = canonical_codewords(code_lengths),
                                gapwords = canonical_codewords(gap_lengths);
    BitWriter codes, gaps;
    std::vector<int32_t> rows = {0, 0, 0, 0};
    int32_t entries = 0;
    int32_t position = 0;
    expected->assign(static_cast<size_t>(numel), 0.0f);
    for (;;) {
        unsigned gap = std::min(7u, static_cast<unsigned>(random()) % spacing);
        if (position + static_cast<int64_t>(gap) >= numel) break;
        const unsigned code = random() % 4;
        if (entries > 0 && entries % 64 == 0) {
            codes.align();
            gaps.align();
            rows.insert(rows.end(), {entries, static_cast<int32_t>(codes.bytes().size()),
                                     static_cast<int32_t>(gaps.bytes().size()), position});
        }
        codes.put(codewords[code], code_lengths[code]);
        gaps.put(gapwords[gap], gap_lengths[gap]);
        position += static_cast<int32_t>(gap) + 1;
        (*expected)[static_cast<size_t>(position - 1)] = static_cast<float>(code);
        ++entries;
    }
    rows.insert(rows.end(), {entries, static_cast<int32_t>(codes.bytes().size()),
                             static_cast<int32_t>(gaps.bytes().size()), position});
    TestGroup group;
    group.set_codebook({1, 4}, {0, 1, 2, 3});
    group.set_lengths(group.code_lengths, code_lengths);
    group.set_bytes(group.codes, codes.bytes());
    group.set_lengths(group.gap_lengths, gap_lengths);
    group.set_bytes(group.gaps, gaps.bytes());
    group.set_chunks(rows);
    group.set_shape({numel});
    group.index_bits = 3;
    group.chunk_size = 64;
    return group;
}

}  // namespace onnxdc
