#include "decoder/symbols.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <utility>

#include "parallel/range.h"
#include "parallel/threads.h"

namespace onnxdc {
namespace {

// Packets that are decoded before their symbols are brought together, all in the nearest caches.
constexpr size_t kBytesOfPart = 8192;
// Some hundred microseconds of work: more than ten times what it takes to start a thread.
constexpr size_t kBytesOfThread = 131072;

// Decodes a part of a stream at a time. Each lane has a run of packets, and memory for as many symbols as these can
// hold.
class PartDecoder {
public:
    PartDecoder(const PacketDecoder& decoder, const Packets& packets, size_t packets_of_part)
        : decoder_(decoder),
          packets_(packets),
          room_((packets_of_part / kLanes + kLanes) * decoder.most_symbols() + PacketDecoder::kRoom),
          memory_(new uint8_t[kLanes * room_]) {}

    // Answers whether all fills are ones. The last lane also takes the few packets that are left over, and the last
    // packet of the stream.
    bool decode(Range range, uint16_t* counts) {
        const bool is_last = range.end == packets_.count;
        const size_t count = range.end - range.begin - is_last, of_lane = count / kLanes, left = count % kLanes;
        for (size_t lane = 0; lane < kLanes; ++lane) end_[lane] = begin(lane);
        uint8_t** const end = end_ + kLanes - 1;
        const uint8_t* const rest = packets_.at(range.begin + kLanes * of_lane);
        bool filled = decoder_.decode_lanes(packets_.at(range.begin), of_lane, end_, counts);
        filled &= decoder_.decode(rest, left, end, counts + kLanes * of_lane);
        if (is_last) {
            const size_t nbytes = packets_.nbytes_of_last();
            filled &= decoder_.decode_one(packets_.at(range.end - 1), nbytes, end, counts + count);
        }
        return filled;
    }

    // Of the part that was decoded.
    size_t count() const {
        size_t count = 0;
        for (size_t lane = 0; lane < kLanes; ++lane) count += static_cast<size_t>(end_[lane] - begin(lane));
        return count;
    }

    void copy(size_t count, uint8_t* to) const {
        for (size_t lane = 0; lane < kLanes; ++lane) {
            const size_t some = std::min(count, static_cast<size_t>(end_[lane] - begin(lane)));
            to = std::copy_n(begin(lane), some, to);
            count -= some;
        }
    }

private:
    uint8_t* begin(size_t lane) const { return memory_.get() + lane * room_; }

    const PacketDecoder& decoder_;
    const Packets packets_;
    const size_t room_;  // of a lane
    const std::unique_ptr<uint8_t[]> memory_;
    uint8_t* end_[kLanes] = {};
};

// Where the symbols of each part begin: after those of all parts before it.
class Places {
public:
    // Waits until the threads that have the parts before have asked.
    size_t take(size_t part, size_t count) {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [&] { return parts_ == part; });
        ++parts_;
        changed_.notify_all();
        return std::exchange(end_, end_ + count);
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    size_t parts_ = 0;  // that have asked
    size_t end_ = 0;    // of their symbols
};

// Decodes all packets, and writes the first symbols. `counts` gets how many each packet has. Answers whether all fills
// are ones.
bool decode_parts(const PacketDecoder& decoder, const Packets& packets, std::vector<uint8_t>* symbols,
                  uint16_t* counts) {
    const size_t step = std::min(packets.count, kBytesOfPart / packets.nbytes), parts = divide_up(packets.count, step);
    Places places;
    std::atomic<size_t> next{0};
    std::atomic<bool> filled{true};
    ThreadExecutor threads;
    const size_t wanted = divide_up(packets.total_nbytes, kBytesOfThread);
    threads.parallel_for(std::min(threads.workers(), wanted), [&](size_t) {
        PartDecoder part_decoder(decoder, packets, step);  // before it has a part that others wait for: it may throw
        for (size_t part; (part = next++) < parts;) {
            const Range range{part * step, std::min(packets.count, (part + 1) * step)};
            if (!part_decoder.decode(range, counts + range.begin)) filled = false;
            const size_t count = part_decoder.count(), first = places.take(part, count);
            if (first < symbols->size())
                part_decoder.copy(std::min(count, symbols->size() - first), symbols->data() + first);
        }
    });
    return filled;
}

// Which of the packets is not filled as it should be; one of them is not.
Verdict name_unfilled(const char* name, const PacketDecoder& decoder, const Packets& packets) {
    std::vector<uint8_t> room(decoder.most_symbols() + PacketDecoder::kRoom);
    for (size_t packet = 0; packet < packets.count; ++packet) {
        uint8_t* symbols = room.data();
        uint16_t count;
        const size_t nbytes = packet + 1 < packets.count ? packets.nbytes : packets.nbytes_of_last();
        if (decoder.decode_one(packets.at(packet), nbytes, &symbols, &count)) continue;
        return violation(Rule::packet_fill, "packet %zu of %s ends in other bits than ones", packet, name);
    }
    return {};
}

Verdict check_end(const char* name, const PacketDecoder& decoder, const Packets& packets, size_t entries,
                  const std::vector<uint16_t>& counts) {
    const size_t total = std::accumulate(counts.begin(), counts.end(), size_t{0});
    if (total < entries) {
        return violation(Rule::truncated, "%s holds %zu codewords for %zu entries", name, total, entries);
    }
    const size_t before = total - counts.back();
    if (before >= entries) {
        return violation(Rule::packet_fill, "%s goes on after the packet of its last codeword", name);
    }
    if (!decoder.ends_after(packets.at(packets.count - 1), packets.nbytes_of_last(), entries - before)) {
        return violation(Rule::packet_fill, "%s ends in other bits than ones", name);
    }
    return {};
}

}  // namespace

Verdict decode_symbols(const char* name, const PacketDecoder& decoder, const Packets& packets, size_t entries,
                       Symbols* symbols) {
    if (entries > 8 * packets.total_nbytes) {
        return violation(Rule::truncated, "%s has %zu bytes for %zu entries", name, packets.total_nbytes, entries);
    }
    if (decoder.is_plain()) {
        symbols->values.assign(packets.data, packets.data + entries);
        return {};
    }
    symbols->values.resize(entries);
    symbols->of_packet.resize(packets.count);
    if (!decode_parts(decoder, packets, &symbols->values, symbols->of_packet.data()))
        return name_unfilled(name, decoder, packets);
    return check_end(name, decoder, packets, entries, symbols->of_packet);
}

}  // namespace onnxdc
