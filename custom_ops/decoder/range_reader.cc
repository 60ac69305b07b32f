#include "decoder/range_reader.h"

#include <algorithm>
#include <cstring>

#include "decoder/codebook.h"
#include "decoder/entries.h"

namespace onnxdc {
namespace {

constexpr size_t kBlock = 256;
static_assert(Entries::kRun % kBlock == 0);

constexpr size_t kMostSymbols = 8 * 64;  // of a packet

// The symbols of a stream one after the other, from any packet on; zeros after its end.
class SymbolReader {
public:
    SymbolReader(const PacketDecoder& decoder, const Packets& packets, size_t packet, size_t skip)
        : decoder_(decoder), packets_(packets), packet_(packet) {
        refill();
        next_ = std::min(symbols_ + skip, end_);
    }

    void read(size_t count, uint8_t* out) {
        while (count > 0) {
            if (next_ == end_) refill();
            const size_t some = std::min(count, static_cast<size_t>(end_ - next_));
            std::memcpy(out, next_, some);
            next_ += some;
            out += some;
            count -= some;
        }
    }

private:
    void refill() {
        next_ = end_ = symbols_;
        if (decoder_.is_plain() && packet_ < packets_.count) {
            const size_t some = std::min(kMostSymbols, packets_.count - packet_);
            end_ = std::copy_n(packets_.at(packet_), some, symbols_);
            packet_ += some;
        } else if (packet_ < packets_.count) {
            uint16_t count;
            decoder_.decode(packets_.at(packet_++), 1, &end_, &count);
        } else {
            std::memset(symbols_, 0, kMostSymbols);
            end_ += kMostSymbols;
        }
    }

    const PacketDecoder& decoder_;
    const Packets packets_;
    size_t packet_;
    uint8_t symbols_[kMostSymbols + PacketDecoder::kRoom];
    uint8_t* next_;  // of `symbols_`
    uint8_t* end_;
};

}  // namespace

Verdict RangeReader::open(const CheckedGroup& group) {
    entries_ = static_cast<size_t>(group.entries);
    codes_ = group.codes;
    gaps_ = group.gaps;
    code_decoder_ = PacketDecoder(group.code_code, group.codes);
    gap_decoder_ = PacketDecoder(group.gap_code, group.gaps);
    codes_per_group_ = static_cast<size_t>(group.codes_per_group);
    group_of_ = GroupOfPosition(group.shape, group.groups, group.group_axis);

    Entries entries;
    if (Verdict broken = entries.decode(group, code_decoder_, gap_decoder_)) return broken;
    codebook_ = codebook_values<float>(group);
    checkpoints_.assign(divide_up(entries_, kBlock), {});
    place(entries.codes_of_packet(), &Checkpoint::code_packet, &Checkpoint::code_skip);
    place(entries.gaps_of_packet(), &Checkpoint::gap_packet, &Checkpoint::gap_skip);
    entries.for_each_run([&](const EntryRun& run) {
        Checkpoint* checkpoint = checkpoints_.data() + run.number * (Entries::kRun / kBlock);
        uint32_t position = run.position;
        for (size_t i = 0; i < run.count; ++i) {
            if (i % kBlock == 0) (checkpoint++)->position = position;
            position += run.gaps[i];
        }
    });
    return {};
}

// Finds the packet that each block begins in.
void RangeReader::place(const std::vector<uint16_t>& symbols_of_packet, uint32_t Checkpoint::* packet,
                        uint16_t Checkpoint::* skip) {
    for (size_t block = 0; symbols_of_packet.empty() && block < checkpoints_.size(); ++block)
        checkpoints_[block].*packet = static_cast<uint32_t>(block * kBlock);  // of a plain stream
    size_t block = 0, first = 0;  // the next block, and the first entry of the packet
    for (size_t p = 0; p < symbols_of_packet.size(); first += symbols_of_packet[p++]) {
        for (; block < checkpoints_.size() && block * kBlock < first + symbols_of_packet[p]; ++block) {
            checkpoints_[block].*packet = static_cast<uint32_t>(p);
            checkpoints_[block].*skip = static_cast<uint16_t>(block * kBlock - first);
        }
    }
}

void RangeReader::read(const EntryBytes& bytes, uint32_t begin, uint32_t end, float* out) const {
    std::fill(out, out + (end - begin), 0.0f);
    if (begin == end || checkpoints_.empty()) return;
    // The last block whose first gap counts from a position before `begin`, or the first one.
    const auto found = std::partition_point(checkpoints_.begin() + 1, checkpoints_.end(),
                                            [&](const Checkpoint& c) { return c.position < begin; });
    const auto block = static_cast<size_t>(found - checkpoints_.begin()) - 1;
    const Checkpoint& start = checkpoints_[block];
    SymbolReader codes(code_decoder_, {bytes.codes, codes_.nbytes, codes_.count}, start.code_packet, start.code_skip);
    SymbolReader gaps(gap_decoder_, {bytes.gaps, gaps_.nbytes, gaps_.count}, start.gap_packet, start.gap_skip);
    uint8_t block_codes[kBlock];
    uint8_t block_gaps[kBlock];
    std::fill_n(block_gaps, kBlock, uint8_t{1});
    uint32_t position = start.position;
    for (size_t entry = block * kBlock; entry < entries_; entry += kBlock) {
        const size_t count = std::min(kBlock, entries_ - entry);
        codes.read(count, block_codes);
        if (bytes.low_bits) add_low_bits(bytes.low_bits, entries_, entry, count, block_codes);
        if (gaps_.count > 0) gaps.read(count, block_gaps);
        for (size_t i = 0; i < count; ++i) {
            position += block_gaps[i];
            if (position >= end) return;
            if (position < begin) continue;
            const size_t code = std::min<size_t>(block_codes[i], codes_per_group_ - 1);
            out[position - begin] = codebook_[group_of_(position) * codes_per_group_ + code];
        }
    }
}

}  // namespace onnxdc
