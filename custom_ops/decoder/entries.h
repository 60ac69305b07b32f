// Decoding both bitstreams of a checked weight group, four chunks at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "decoder/check.h"

namespace onnxdc {

// The decoded entries of one chunk, checked: they lie at rising positions below the number of elements.
struct ChunkEntries {
    size_t chunk;
    size_t count;
    const uint8_t* codes;  // [count], each below codes_per_group
    const uint8_t* gaps;   // [count]: entry i lies gaps[i] + 1 behind the one before it
    uint32_t position;     // where the first gap counts from: the first entry lies at position + gaps[0]
};

// Decodes chunk after chunk. Buffers for four chunks are all the memory it takes.
class EntryDecoder {
public:
    // `group` must outlive the decoder.
    explicit EntryDecoder(const CheckedGroup& group);

    // Whether each chunk has the bytes for its entries, at one bit an entry at least. To ask before allocating anything
    // per entry.
    Verdict check_sizes() const;

    // Calls visit(const ChunkEntries&) for every chunk in order; stops at the first rule that a chunk breaks.
    template <class Visit>
    Verdict for_each_chunk(Visit visit) {
        for (size_t first = 0; first < group_.chunk_count(); first += kLanes) {
            if (Verdict broken = decode_from(first)) return broken;
            for (const ChunkEntries& entries : decoded_) visit(entries);
        }
        return {};
    }

private:
    // Decodes up to kLanes chunks from `first` on into decoded_.
    Verdict decode_from(size_t first);

    const CheckedGroup& group_;
    HuffmanTable code_table_;
    HuffmanTable gap_table_;
    bool lone_code_;  // the code has a single symbol, so that half of its table is no codeword
    bool lone_gap_;
    std::vector<uint8_t> codes_;  // [kLanes, chunk_size]
    std::vector<uint8_t> gaps_;   // the same; zeros throughout where there are no gaps
    std::vector<ChunkEntries> decoded_;
};

}  // namespace onnxdc
