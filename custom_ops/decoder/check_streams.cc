#include "decoder/check_streams.h"

#include <algorithm>
#include <cinttypes>
#include <numeric>

#include "parallel/range.h"

namespace onnxdc {
namespace {

constexpr int64_t kMaxStreamBytes = (int64_t{1} << 31) - 1;

// The step of a code that has low bits.
constexpr unsigned kLowBitsStep = 16;

const uint8_t* bytes_of(const TensorView& tensor) { return static_cast<const uint8_t*>(tensor.data); }

// A stream without a table is plain.
Verdict cut_into_packets(const char* name, const TensorView& stream, const TensorView& table, int64_t packet,
                         Packets* packets) {
    const bool is_plain = table.dims[0] == 0;
    const int64_t size = stream.dims[0], grain = is_plain ? 1 : kPacketGrain;
    if (size % grain != 0 || size > kMaxStreamBytes) {
        return violation(Rule::packet_size, "%s has %" PRId64 " bytes, no multiple of %" PRId64 " below 2^31", name,
                         size, grain);
    }
    const auto total = static_cast<size_t>(size), nbytes = static_cast<size_t>(is_plain ? 1 : packet);
    *packets = {bytes_of(stream), nbytes, divide_up(total, nbytes), total};
    return {};
}

Verdict check_form(const WeightGroup& group, const CheckedGroup& checked) {
    const int64_t entries = checked.entries;
    if (!checked.has_gaps() && entries != 0 && entries != checked.numel) {
        return violation(Rule::form, "no gaps for %" PRId64 " entries of %" PRId64 " elements", entries, checked.numel);
    }
    if (entries == 0) {
        for (const TensorView* tensor :
             {&group.code_table, &group.codes, &group.low_bits, &group.gap_table, &group.gaps}) {
            if (tensor->dims[0] > 0) return violation(Rule::form, "there are tables or streams, but no entries");
        }
        return {};
    }
    if (checked.codes.count == 0) return violation(Rule::form, "no codes for %" PRId64 " entries", entries);
    if (!checked.has_gaps() && checked.zero_code != 0) {
        return violation(Rule::form, "no gaps, but the code of zero is %" PRId64 ", expected 0", checked.zero_code);
    }
    return {};
}

size_t codewords(const HuffmanCode& code) { return std::accumulate(code.counts.begin(), code.counts.end(), size_t{0}); }

// What a code says of its stream, and how it is called.
struct Table {
    const char* name;
    const TensorView& tensor;
    const Packets& packets;
    unsigned step;  // between the symbols of a table that only has counts
    HuffmanCode* code;

    size_t size() const { return static_cast<size_t>(tensor.dims[0]); }
};

// Reads the counts and, where there are any, the symbols.
Verdict read_table(const Table& table, size_t entries) {
    const auto& [name, tensor, packets, step, code] = table;
    const size_t size = table.size();
    if (size == 0) {
        if (packets.count == 0 || packets.count == entries) return {};
        return violation(Rule::table_size, "no %s, but a stream of %zu bytes for %zu entries", name, packets.count,
                         entries);
    }
    if (size < kMaxCodeLength) {
        return violation(Rule::table_size, "%s has %zu bytes, expected 12 or more", name, size);
    }
    const uint8_t* bytes = bytes_of(tensor);
    std::copy_n(bytes, kMaxCodeLength, code->counts.begin());
    code->symbols.assign(bytes + kMaxCodeLength, bytes + size);
    const size_t count = codewords(*code);
    if (!code->symbols.empty() && code->symbols.size() != count) {
        return violation(Rule::table_size, "%s has %zu bytes for %zu codewords, expected 12 or %zu", name, size, count,
                         12 + count);
    }
    if (packets.count == 0) {
        return violation(Rule::table_size, "%s has %zu bytes, but its stream is empty", name, size);
    }
    for (size_t i = code->symbols.size(); i < count; ++i) code->symbols.push_back(static_cast<uint8_t>(step * i));
    return {};
}

Verdict check_kraft(const Table& table) {
    if (table.size() == 0 || table.code->is_complete()) return {};
    return violation(Rule::kraft, "the %zu codewords of %s form no complete code of 2..256", codewords(*table.code),
                     table.name);
}

Verdict check_low_bits(const WeightGroup& group, CheckedGroup* checked) {
    const int64_t size = group.low_bits.dims[0], entries = checked->entries;
    if (size == 0) return {};
    if (checked->code_code.is_plain()) return violation(Rule::low_bits, "there are low_bits, but codes are plain");
    const int64_t expected = entries / 2 + entries % 2;
    if (size != expected) {
        return violation(Rule::low_bits, "low_bits has %" PRId64 " bytes for %" PRId64 " entries, expected %" PRId64,
                         size, entries, expected);
    }
    const uint8_t* bytes = bytes_of(group.low_bits);
    if (entries % 2 == 1 && bytes[size - 1] >> 4 != 0) {
        return violation(Rule::low_bits, "the upper nibble of the last byte of low_bits belongs to no entry, but is %d",
                         bytes[size - 1] >> 4);
    }
    if (group.code_table.dims[0] == static_cast<int64_t>(kMaxCodeLength) && checked->code_code.symbols.size() > 16) {
        return violation(Rule::low_bits, "%zu codewords next to low_bits, expected at most 16",
                         checked->code_code.symbols.size());
    }
    for (uint8_t symbol : checked->code_code.symbols) {
        if (symbol % kLowBitsStep != 0) {
            return violation(Rule::low_bits, "code_table holds %d next to low_bits, which is no multiple of 16",
                             symbol);
        }
    }
    checked->low_bits = bytes;
    return {};
}

}  // namespace

Verdict check_packets(const WeightGroup& group, CheckedGroup* checked) {
    const int64_t packet = group.packet;
    if (packet < 8 || packet > int64_t{kMaxPacketBytes} || (packet & (packet - 1)) != 0) {
        return violation(Rule::packet_size, "packet is %" PRId64 ", expected 8, 16, 32, 64, 128 or 256", packet);
    }
    Verdict broken = cut_into_packets("codes", group.codes, group.code_table, packet, &checked->codes);
    if (!broken) broken = cut_into_packets("gaps", group.gaps, group.gap_table, packet, &checked->gaps);
    if (!broken) broken = check_form(group, *checked);
    return broken;
}

Verdict check_codes(const WeightGroup& group, CheckedGroup* checked) {
    const unsigned step = group.low_bits.dims[0] > 0 ? kLowBitsStep : 1;
    const auto entries = static_cast<size_t>(checked->entries);
    const Table codes{"code_table", group.code_table, checked->codes, step, &checked->code_code};
    const Table gaps{"gap_table", group.gap_table, checked->gaps, 1, &checked->gap_code};
    Verdict broken = read_table(codes, entries);
    if (!broken) broken = read_table(gaps, entries);
    if (!broken) broken = check_kraft(codes);
    if (!broken) broken = check_kraft(gaps);
    if (!broken) broken = check_low_bits(group, checked);
    return broken;
}

}  // namespace onnxdc
