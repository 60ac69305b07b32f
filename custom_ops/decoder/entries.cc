#include "decoder/entries.h"

#include <algorithm>
#include <cinttypes>
#include <numeric>

namespace onnxdc {
namespace {

// Some hundred microseconds of work: more than ten times what it takes to start a thread.
constexpr size_t kEntriesOfPart = 65536;

// What one chunk has of one stream: some bytes, for some symbols.
struct Run {
    const char* stream_name;
    size_t chunk;
    BitStream stream;
    uint64_t begin_byte;
    uint64_t end_byte;
    size_t symbols;
};

size_t entries_of(const CheckedGroup& group, size_t chunk) {
    return static_cast<size_t>(group.chunks[chunk + 1].entry - group.chunks[chunk].entry);
}

Run run_of(const CheckedGroup& group, const char* name, BitStream stream, int32_t ChunkStart::* byte, size_t chunk) {
    const auto begin = static_cast<uint64_t>(group.chunks[chunk].*byte);
    const auto end = static_cast<uint64_t>(group.chunks[chunk + 1].*byte);
    return {name, chunk, stream, begin, end, entries_of(group, chunk)};
}

Run code_run(const CheckedGroup& group, size_t chunk) {
    return run_of(group, "codes", group.codes, &ChunkStart::code_byte, chunk);
}

Run gap_run(const CheckedGroup& group, size_t chunk) {
    return run_of(group, "gaps", group.gaps, &ChunkStart::gap_byte, chunk);
}

Verdict check_size(const Run& run) {
    const uint64_t nbytes = run.end_byte - run.begin_byte;
    if (run.symbols <= 8 * nbytes) return {};
    return violation(Rule::truncated, "chunk %zu of %s has %zu symbols in %" PRIu64 " bytes", run.chunk,
                     run.stream_name, run.symbols, nbytes);
}

// Whether any bit is set from the start of the run to `end_bit`, which lies inside the run.
bool any_bit_set(const Run& run, uint64_t end_bit) {
    const uint8_t* data = run.stream.data;
    const bool in_whole_bytes =
        std::any_of(data + run.begin_byte, data + end_bit / 8, [](uint8_t byte) { return byte != 0; });
    return in_whole_bytes || (end_bit % 8 != 0 && data[end_bit / 8] >> (8 - end_bit % 8) != 0);
}

// `end_bit` is the bit address after the last codeword. With a `lone_symbol` only the codeword 0 exists.
Verdict check_bits(const Run& run, uint64_t end_bit, bool lone_symbol) {
    if (end_bit > 8 * run.end_byte) {
        return violation(Rule::truncated, "a codeword extends beyond chunk %zu of %s", run.chunk, run.stream_name);
    }
    if (lone_symbol && any_bit_set(run, end_bit)) {
        return violation(Rule::bad_code, "a set bit in chunk %zu of %s, where the only codeword is 0", run.chunk,
                         run.stream_name);
    }
    const uint64_t used_end = (end_bit + 7) / 8;
    if (used_end != run.end_byte) {
        return violation(Rule::trailing_bits, "the codewords of chunk %zu of %s end %" PRIu64 " bytes early", run.chunk,
                         run.stream_name, run.end_byte - used_end);
    }
    if (end_bit % 8 != 0 && static_cast<uint8_t>(run.stream.data[end_bit / 8] << end_bit % 8) != 0) {
        return violation(Rule::trailing_bits, "the bits that fill the last byte of chunk %zu of %s are not zero",
                         run.chunk, run.stream_name);
    }
    return {};
}

bool has_lone_symbol(const std::vector<uint8_t>& lengths) {
    return static_cast<int64_t>(lengths.size()) - std::count(lengths.begin(), lengths.end(), 0) == 1;
}

// Decodes `lanes` runs of one stream into rows of `row` symbols.
Verdict decode_runs(const HuffmanTable& table, bool lone_symbol, const Run* runs, size_t lanes, size_t row,
                    uint8_t* rows) {
    uint64_t bit[kLanes] = {};
    size_t count[kLanes] = {};
    uint8_t* symbols[kLanes];
    for (size_t lane = 0; lane < kLanes; ++lane) {
        symbols[lane] = rows + lane * row;
        if (lane >= lanes) continue;
        bit[lane] = 8 * runs[lane].begin_byte;
        count[lane] = runs[lane].symbols;
    }
    table.decode_lanes(runs[0].stream, bit, count, symbols);
    for (size_t lane = 0; lane < lanes; ++lane) {
        if (Verdict broken = check_bits(runs[lane], bit[lane], lone_symbol)) return broken;
    }
    return {};
}

// The entries end where the next chunk begins, which is at or below the number of elements: check_group saw to that.
Verdict check_positions(const CheckedGroup& group, const ChunkEntries& entries) {
    const uint64_t skipped = std::accumulate(entries.gaps, entries.gaps + entries.count, uint64_t{0});
    const uint64_t end = entries.position + skipped + entries.count;
    if (end > static_cast<uint64_t>(group.numel)) {
        return violation(Rule::position, "an entry of chunk %zu lies at %" PRIu64 " of %" PRId64 " elements",
                         entries.chunk, end - 1, group.numel);
    }
    const int32_t next = group.chunks[entries.chunk + 1].position;
    if (end != static_cast<uint64_t>(next)) {
        return violation(Rule::position, "chunk %zu ends at position %" PRIu64 ", but the next begins at %d",
                         entries.chunk, end, next);
    }
    return {};
}

}  // namespace

EntryDecoder::EntryDecoder(const CheckedGroup& group)
    : group_(group),
      code_table_(group.code_lengths),
      gap_table_(group.gap_lengths),
      lone_code_(has_lone_symbol(group.code_lengths)),
      lone_gap_(has_lone_symbol(group.gap_lengths)) {}

EntryDecoder::Buffers::Buffers(const CheckedGroup& group)
    : codes(kLanes * static_cast<size_t>(group.chunk_size)), gaps(codes.size()) {}

size_t EntryDecoder::chunks_of_part() const {
    return kLanes * divide_up(kEntriesOfPart, kLanes * static_cast<size_t>(group_.chunk_size));
}

Verdict EntryDecoder::check_sizes() const {
    for (size_t chunk = 0; chunk < group_.chunk_count(); ++chunk) {
        if (Verdict broken = check_size(code_run(group_, chunk))) return broken;
        if (!group_.has_gaps()) continue;
        if (Verdict broken = check_size(gap_run(group_, chunk))) return broken;
    }
    return {};
}

Verdict EntryDecoder::decode_from(size_t first, Buffers* buffers) const {
    const size_t lanes = std::min<size_t>(kLanes, group_.chunk_count() - first);
    const size_t row = static_cast<size_t>(group_.chunk_size);
    Run codes[kLanes], gaps[kLanes];
    for (size_t lane = 0; lane < lanes; ++lane) {
        codes[lane] = code_run(group_, first + lane);
        gaps[lane] = gap_run(group_, first + lane);
    }
    if (Verdict broken = decode_runs(code_table_, lone_code_, codes, lanes, row, buffers->codes.data())) return broken;
    if (group_.has_gaps()) {
        if (Verdict broken = decode_runs(gap_table_, lone_gap_, gaps, lanes, row, buffers->gaps.data())) return broken;
    }
    buffers->decoded.clear();
    for (size_t lane = 0; lane < lanes; ++lane) {
        const auto position = static_cast<uint32_t>(group_.chunks[first + lane].position);
        buffers->decoded.push_back({first + lane, codes[lane].symbols, buffers->codes.data() + lane * row,
                                    buffers->gaps.data() + lane * row, position});
        if (Verdict broken = check_positions(group_, buffers->decoded.back())) return broken;
    }
    return {};
}

}  // namespace onnxdc
