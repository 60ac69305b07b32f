// Decoding both bitstreams of a checked weight group, four chunks at a time, on several threads where it pays.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "decoder/check.h"
#include "parallel/range.h"
#include "parallel/threads.h"

namespace onnxdc {

// The decoded entries of one chunk, checked: they lie at rising positions below the number of elements.
struct ChunkEntries {
    size_t chunk;
    size_t count;
    const uint8_t* codes;  // [count], each below codes_per_group
    const uint8_t* gaps;   // [count]: entry i lies gaps[i] + 1 after the one before it
    uint32_t position;     // where the first gap counts from: the first entry lies at position + gaps[0]
};

// Decodes the chunks, of which none depends on another. Buffers for four chunks are all the memory a thread takes.
class EntryDecoder {
public:
    // `group` must outlive the decoder.
    explicit EntryDecoder(const CheckedGroup& group);

    // Whether each chunk has the bytes for its entries, at one bit an entry at least. To ask before allocating anything
    // per entry.
    Verdict check_sizes() const;

    // Calls visit(const ChunkEntries&) for the chunks, in any order and from several threads. Names the rule that the
    // first of the broken chunks breaks; by then chunks after it may have been visited.
    template <class Visit>
    Verdict for_each_chunk(const Visit& visit) const {
        const size_t step = chunks_of_part();
        std::vector<Verdict> broken(divide_up(group_.chunk_count(), step));
        ThreadExecutor().parallel_for(broken.size(), [&](size_t part) {
            Buffers buffers(group_);
            const size_t end = std::min(group_.chunk_count(), (part + 1) * step);
            for (size_t first = part * step; first < end; first += kLanes) {
                broken[part] = decode_from(first, &buffers);
                if (broken[part]) return;
                for (const ChunkEntries& entries : buffers.decoded) visit(entries);
            }
        });
        const auto first = std::find_if(broken.begin(), broken.end(), [](const Verdict& v) { return v.has_value(); });
        return first == broken.end() ? Verdict{} : *first;
    }

private:
    // What a thread decodes into.
    struct Buffers {
        explicit Buffers(const CheckedGroup& group);

        std::vector<uint8_t> codes;  // [kLanes, chunk_size]
        std::vector<uint8_t> gaps;   // the same; zeros throughout where there are no gaps
        std::vector<ChunkEntries> decoded;
    };

    // How many chunks are worth being handed to a thread; a multiple of kLanes.
    size_t chunks_of_part() const;

    // Decodes up to kLanes chunks from `first` on.
    Verdict decode_from(size_t first, Buffers* buffers) const;

    const CheckedGroup& group_;
    HuffmanTable code_table_;
    HuffmanTable gap_table_;
    bool lone_code_;  // the code has a single symbol, so that half of its table is no codeword
    bool lone_gap_;
};

}  // namespace onnxdc
