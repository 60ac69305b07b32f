// A weight group as the bytes of a fuzz target, and a mutator that keeps it one. tests/fuzz/seeds.py writes the same
// form from the test vectors:
//   8 bytes    types, attributes and faults, see GroupInput::group()
//   8 x 2      the lengths of the eight tensors in bytes, little-endian
//   the bytes of the tensors one after the other
//   the rest   for the target
#pragma once

#include <array>
#include <cstring>
#include <random>
#include <vector>

#include "fuzz/input.h"
#include "tests/group_builder.h"

namespace onnxdc::fuzz {

struct GroupInput {
    std::array<uint8_t, 8> head{};
    std::array<std::vector<uint8_t>, kGroupTensors> tensors{};
    std::vector<uint8_t> rest{};

    GroupInput(const uint8_t* data, size_t size) {
        Input input(data, size);
        for (uint8_t& byte : head) byte = input.byte();
        size_t lengths[kGroupTensors];
        for (size_t& length : lengths) length = static_cast<size_t>(input.number(2));
        for (size_t i = 0; i < kGroupTensors; ++i) tensors[i] = input.bytes(lengths[i]);
        rest = input.bytes(input.left());
    }

    // As bytes; what does not fit in `capacity` is cut off.
    size_t write(uint8_t* data, size_t capacity) const {
        std::vector<uint8_t> all(head.begin(), head.end());
        for (const auto& tensor : tensors) {
            all.push_back(static_cast<uint8_t>(tensor.size()));
            all.push_back(static_cast<uint8_t>(tensor.size() >> 8));
        }
        for (const auto& tensor : tensors) all.insert(all.end(), tensor.begin(), tensor.end());
        all.insert(all.end(), rest.begin(), rest.end());
        const size_t size = std::min(all.size(), capacity);
        std::memcpy(data, all.data(), size);
        return size;
    }

    // The group: its tensors have whole numbers of elements and rows, the right types and ranks unless the head says
    // otherwise, and the right checksum but for one bit of it.
    TestGroup group() const {
        constexpr int32_t kTypes[] = {kFloat, kFloat16, kDouble, kBfloat16, kUint8, kInt8, kInt16, kInt64};
        constexpr int32_t kDtypes[] = {kFloat, kFloat16, kDouble, kBfloat16, kUint8, kInt8, kUint4, kInt4};
        TestGroup group;
        group.dtype = kDtypes[head[1] & 7];
        group.packet = head[2] & 0x80 ? head[2] : int64_t{8} << (head[2] & 7) % 6;
        group.group_axis = static_cast<int8_t>(head[4]);
        group.right_checksum = !(head[6] & 1);
        TestTensor* const parts[] = {&group.codebook, &group.step,      &group.code_table, &group.codes,
                                     &group.low_bits, &group.gap_table, &group.gaps,       &group.extent};
        const int32_t types[] = {kTypes[head[0] & 7], kFloat, kUint8, kUint8, kUint8, kUint8, kUint8, kInt64};
        for (size_t i = 0; i < kGroupTensors; ++i) {
            const size_t row = i == 0 ? size_t{head[5]} + 1 : 1;
            const size_t row_bytes = row * element_size(types[i]), rows = tensors[i].size() / row_bytes;
            std::vector<int64_t> dims{static_cast<int64_t>(rows)};
            if (i == 0 || (i == 1 && rows > 0)) dims.push_back(static_cast<int64_t>(row));
            const auto end = tensors[i].begin() + static_cast<std::ptrdiff_t>(rows * row_bytes);
            parts[i]->set(types[i], dims, std::vector<uint8_t>(tensors[i].begin(), end));
        }
        spoil(parts[head[7] % kGroupTensors]);
        return group;
    }

    // Changes one part, whose kind the generator draws, by change(bytes, size, capacity), which answers the new size.
    template <class Change>
    void mutate(uint32_t seed, size_t capacity, const Change& change) {
        std::minstd_rand random(seed);
        const auto resize = [&](std::vector<uint8_t>* part) {
            const size_t most = std::min<size_t>(65535, std::max(part->size() + 64, capacity / 2));
            std::vector<uint8_t> room(most);
            std::copy(part->begin(), part->end(), room.begin());
            room.resize(change(room.data(), part->size(), most));
            *part = room;
        };
        const size_t part = random() % 13;
        if (part < kGroupTensors) {
            resize(&tensors[part]);
        } else if (part < 10) {
            change(head.data(), head.size(), head.size());
        } else {
            resize(&rest);
        }
    }

private:
    // Gives one tensor another rank or type, where the head says so.
    void spoil(TestTensor* tensor) const {
        if ((head[6] & 14) == 2) tensor->dims.push_back(1);
        if ((head[6] & 14) == 4 && tensor->dims.size() > 1) tensor->dims = {tensor->dims[0] * tensor->dims[1]};
        if ((head[6] & 14) == 6 && tensor->type == kUint8) tensor->type = kInt8;
        if ((head[6] & 14) == 8 && tensor->dims.size() > 1) std::swap(tensor->dims[0], tensor->dims[1]);
    }
};

}  // namespace onnxdc::fuzz

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

// Defines the mutator of a target whose bytes are a GroupInput.
#define ONNXDC_MUTATE_GROUPS                                                                                          \
    extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {       \
        if (seed % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);                                             \
        onnxdc::fuzz::GroupInput input(data, size);                                                                   \
        input.mutate(seed, max_size,                                                                                  \
                     [](uint8_t* bytes, size_t count, size_t most) { return LLVMFuzzerMutate(bytes, count, most); }); \
        return input.write(data, max_size);                                                                           \
    }
