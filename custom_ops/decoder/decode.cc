#include "decoder/decode.h"

#include <algorithm>
#include <cstring>

#include "decoder/entries.h"
#include "decoder/floats.h"

namespace onnxdc {
namespace {

// The codebook as bit patterns of the weight's own type, T being an unsigned integer of that size.
template <class T, class Convert>
std::vector<T> codebook_bits(const CheckedGroup& group, Convert convert) {
    std::vector<T> bits(static_cast<size_t>(group.groups * group.codes_per_group));
    if (group.codebook.type == group.dtype) {
        std::memcpy(bits.data(), group.codebook.data, bits.size() * sizeof(T));
        return bits;
    }
    for (size_t i = 0; i < bits.size(); ++i) {
        const auto value = convert(load_float(group.codebook.data, group.codebook.type, static_cast<int64_t>(i)));
        static_assert(sizeof value == sizeof(T));
        std::memcpy(&bits[i], &value, sizeof(T));
    }
    return bits;
}

template <class T>
Verdict scatter(const CheckedGroup& group, const std::vector<T>& codebook, void* dense) {
    T* out = static_cast<T*>(dense);
    const GroupOfPosition group_of(group.shape, group.groups, group.group_axis);
    EntryDecoder decoder(group);
    if (Verdict broken = decoder.check_sizes()) return broken;
    return decoder.for_each_chunk([&](const ChunkEntries& entries) {
        uint32_t position = entries.position;
        for (size_t i = 0; i < entries.count; ++i, ++position) {
            position += entries.gaps[i];
            out[position] =
                codebook[group_of(position) * static_cast<size_t>(group.codes_per_group) + entries.codes[i]];
        }
    });
}

size_t first_entry(const CheckedGroup& group, size_t chunk) { return static_cast<size_t>(group.chunks[chunk].entry); }

// Writes where the nonzeros of a chunk lie, and their codes; answers how many they are. The arrays have room for all
// entries.
size_t write_nonzeros(const ChunkEntries& entries, uint32_t* positions, uint8_t* codes) {
    size_t nnz = 0;
    uint32_t position = entries.position;
    for (size_t i = 0; i < entries.count; ++i, ++position) {
        // Every entry is written, but only those of a nonzero code stay: no branch to mispredict.
        position += entries.gaps[i];
        positions[nnz] = position;
        codes[nnz] = entries.codes[i];
        nnz += entries.codes[i] != 0;
    }
    return nnz;
}

template <class T>
void move_down(std::vector<T>* values, size_t from, size_t count, size_t to) {
    if (from != to)
        std::copy_n(values->begin() + static_cast<std::ptrdiff_t>(from), count,
                    values->begin() + static_cast<std::ptrdiff_t>(to));
}

}  // namespace

std::vector<float> float_codebook(const CheckedGroup& group) {
    std::vector<float> codebook(static_cast<size_t>(group.groups * group.codes_per_group));
    if (group.codebook.type == kFloat) {  // as it is: a conversion would change the bits of some NaNs
        std::memcpy(codebook.data(), group.codebook.data, codebook.size() * sizeof(float));
        return codebook;
    }
    for (size_t i = 0; i < codebook.size(); ++i) {
        codebook[i] = static_cast<float>(load_float(group.codebook.data, group.codebook.type, static_cast<int64_t>(i)));
    }
    return codebook;
}

Verdict decode_sparse(const CheckedGroup& group, SparseWeight* weight) {
    EntryDecoder decoder(group);
    if (Verdict broken = decoder.check_sizes()) return broken;
    weight->shape = group.shape;
    weight->codebook = float_codebook(group);
    weight->groups = group.groups;
    weight->codes_per_group = group.codes_per_group;
    weight->group_axis = group.group_axis;
    weight->position.resize(static_cast<size_t>(group.entries()));
    weight->code.resize(weight->position.size());
    std::vector<size_t> nonzeros(group.chunk_count());
    const Verdict broken = decoder.for_each_chunk([&](const ChunkEntries& entries) {
        nonzeros[entries.chunk] = write_nonzeros(entries, weight->position.data() + first_entry(group, entries.chunk),
                                                 weight->code.data() + first_entry(group, entries.chunk));
    });
    if (broken) return broken;
    size_t nnz = 0;
    for (size_t chunk = 0; chunk < nonzeros.size(); nnz += nonzeros[chunk++]) {
        move_down(&weight->position, first_entry(group, chunk), nonzeros[chunk], nnz);
        move_down(&weight->code, first_entry(group, chunk), nonzeros[chunk], nnz);
    }
    weight->position.resize(nnz);
    weight->code.resize(nnz);
    return {};
}

Verdict decode_dense(const CheckedGroup& group, void* dense) {
    const auto to_float = [](double value) { return static_cast<float>(value); };
    const auto same = [](double value) { return value; };
    switch (element_size(group.dtype)) {
        // A codebook of 16 bits or less is never converted: its type is the weight's.
        case 2: return scatter(group, codebook_bits<uint16_t>(group, [](double) { return uint16_t{0}; }), dense);
        case 4: return scatter(group, codebook_bits<uint32_t>(group, to_float), dense);
        default: return scatter(group, codebook_bits<uint64_t>(group, same), dense);
    }
}

}  // namespace onnxdc
