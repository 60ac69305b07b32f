#include "decoder/decode.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "decoder/codebook.h"
#include "decoder/entries.h"

namespace onnxdc {
namespace {

// No code: of a weight none of whose codes stands for zero.
constexpr size_t kNoCode = 256;

Verdict decode_entries(const CheckedGroup& group, Entries* entries) {
    return entries->decode(group, PacketDecoder(group.code_code, group.codes),
                           PacketDecoder(group.gap_code, group.gaps));
}

template <class T>
Verdict scatter(const CheckedGroup& group, void* dense) {
    Entries decoded;
    if (Verdict broken = decode_entries(group, &decoded)) return broken;
    T* out = static_cast<T*>(dense);
    const std::vector<T> codebook = codebook_values<T>(group);
    const auto codes = static_cast<size_t>(group.codes_per_group);
    const T background = codebook[static_cast<size_t>(group.zero_code)];
    if ((group.has_gaps() || group.entries == 0) && background != 0) std::fill_n(out, group.numel, background);
    const GroupOfPosition group_of(group.shape, group.groups, group.group_axis);
    decoded.for_each_run([&](const EntryRun& run) {
        uint32_t position = run.position;
        for (size_t i = 0; i < run.count; ++i) {
            position += run.gaps[i];
            out[position] = codebook[group_of(position) * codes + run.codes[i]];
        }
    });
    return {};
}

// The code whose value is +0.0 in every group. In the gap form the file says which one; in the dense form there may be
// none.
size_t find_zero(const CheckedGroup& group, const std::vector<float>& codebook) {
    if (group.has_gaps()) return static_cast<size_t>(group.zero_code);
    const auto codes = static_cast<size_t>(group.codes_per_group);
    constexpr float kZero = 0.0f;
    for (size_t code = 0; code < codes; ++code) {
        size_t at = code;
        while (at < codebook.size() && std::memcmp(&codebook[at], &kZero, sizeof kZero) == 0) at += codes;
        if (at >= codebook.size()) return code;
    }
    return kNoCode;
}

// Takes the values of one code out of all groups.
void drop_code(std::vector<float>* codebook, size_t codes, size_t dropped) {
    size_t kept = 0;
    for (size_t i = 0; i < codebook->size(); ++i) {
        if (i % codes != dropped) (*codebook)[kept++] = (*codebook)[i];
    }
    codebook->resize(kept);
}

// Writes where the nonzeros of a run lie, and their codes over those of its entries; answers how many they are.
// `positions` has room for all entries.
size_t write_nonzeros(const EntryRun& run, size_t zero, uint32_t* positions) {
    size_t nnz = 0;
    uint32_t position = run.position;
    for (size_t i = 0; i < run.count; ++i) {
        // Every entry is written, but only the nonzeros stay: no branch to mispredict.
        const size_t code = run.codes[i];
        position += run.gaps[i];
        positions[nnz] = position;
        run.codes[nnz] = static_cast<uint8_t>(code - (code > zero));
        nnz += code != zero;
    }
    return nnz;
}

template <class T>
void move_down(std::vector<T>* values, size_t from, size_t count, size_t to) {
    if (from != to)
        std::copy_n(values->begin() + static_cast<std::ptrdiff_t>(from), count,
                    values->begin() + static_cast<std::ptrdiff_t>(to));
}

void collect_nonzeros(Entries* entries, size_t zero, SparseWeight* weight) {
    std::vector<size_t> nonzeros(entries->run_count());
    entries->for_each_run([&](const EntryRun& run) {
        nonzeros[run.number] = write_nonzeros(run, zero, weight->position.data() + run.number * Entries::kRun);
    });
    weight->code = entries->take_codes();
    size_t nnz = 0;
    for (size_t number = 0; number < nonzeros.size(); nnz += nonzeros[number++]) {
        move_down(&weight->position, number * Entries::kRun, nonzeros[number], nnz);
        move_down(&weight->code, number * Entries::kRun, nonzeros[number], nnz);
    }
    weight->position.resize(nnz);
    weight->code.resize(nnz);
}

// So many elements in a row are of the same group; 1 at least.
int64_t group_span(const CheckedGroup& group) {
    if (group.groups == 1) return std::max<int64_t>(group.numel, 1);
    const auto axis = group.shape.begin() + static_cast<std::ptrdiff_t>(group.group_axis);
    const int64_t span = std::accumulate(axis, group.shape.end(), int64_t{1}, std::multiplies<>()) / group.groups;
    return std::max<int64_t>(span, 1);
}

}  // namespace

Verdict decode_sparse(const CheckedGroup& group, SparseWeight* weight) {
    Entries entries;
    if (Verdict broken = decode_entries(group, &entries)) return broken;
    weight->shape = group.shape;
    weight->codebook = codebook_values<float>(group);
    weight->groups = group.groups;
    weight->codes_per_group = group.codes_per_group;
    weight->group_axis = group.group_axis;
    weight->steps = byte_steps(group);
    weight->position.resize(static_cast<size_t>(group.entries));
    const size_t zero = find_zero(group, weight->codebook);
    if (zero != kNoCode) {
        drop_code(&weight->codebook, static_cast<size_t>(group.codes_per_group), zero);
        --weight->codes_per_group;
    }
    collect_nonzeros(&entries, zero, weight);
    return {};
}

Verdict decode_codes(const CheckedGroup& group, ElementCodes* weight) {
    Entries entries;
    if (Verdict broken = decode_entries(group, &entries)) return broken;
    weight->codebook = codebook_values<float>(group);
    weight->groups = group.groups;
    weight->codes_per_group = group.codes_per_group;
    weight->group_span = group_span(group);
    if (!group.has_gaps()) {
        weight->code = entries.take_codes();
        return {};
    }
    weight->code.assign(entries.end(), static_cast<uint8_t>(group.zero_code));
    uint8_t* codes = weight->code.data();
    entries.for_each_run([&](const EntryRun& run) {
        uint32_t position = run.position;
        for (size_t i = 0; i < run.count; ++i) codes[position += run.gaps[i]] = run.codes[i];
    });
    return {};
}

Verdict decode_dense(const CheckedGroup& group, void* dense) {
    switch (element_size(group.dtype)) {
        case 1: return scatter<uint8_t>(group, dense);
        case 2: return scatter<uint16_t>(group, dense);
        case 4: return scatter<uint32_t>(group, dense);
        default: return scatter<uint64_t>(group, dense);
    }
}

}  // namespace onnxdc
