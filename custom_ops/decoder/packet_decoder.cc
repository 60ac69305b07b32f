#include "decoder/packet_decoder.h"

#include <algorithm>
#include <cstring>

namespace onnxdc {
namespace {

constexpr size_t kLookupsPerLoad = 4;
// Four lookups advance a packet by at most 48 bits: 6 bytes.
constexpr size_t kBytesPerLoad = kLookupsPerLoad * kMaxCodeLength / 8;
// Each lookup takes a bit or more, and four go on while one lane is not at its end.
static_assert(PacketDecoder::kRoom >= 8 * kMaxPacketBytes * HuffmanTable::kMostSymbols + sizeof(uint32_t));
// A stream of so many bytes pays for a deep table, which takes ten microseconds to make.
constexpr size_t kMinBytesOfDeep = 6000;

// The eight bytes at `address` as one number, the first byte the most significant.
inline uint64_t load_be64(const uint8_t* address) {
    uint64_t value;
    std::memcpy(&value, address, sizeof value);
    return __builtin_bswap64(value);  // the library is for little-endian machines only, as its file format is
}

inline size_t top_bits(uint64_t bits) { return bits >> (64 - kMaxCodeLength); }

// One packet that is being decoded.
struct Lane {
    const uint8_t* packet;
    uint8_t* out;
    uint64_t bit;   // the next one of the packet; beyond its end there are ones
    uint64_t bits;  // the bits from there on, at the top
};

// At least 56 bits from the next one on; the load must lie within the packet.
inline uint64_t load_inside(const Lane& lane) { return load_be64(lane.packet + lane.bit / 8) << lane.bit % 8; }

// The same wherever the next bit lies; `last` is where the last load within the packet begins.
inline uint64_t load_anywhere(const Lane& lane, uint64_t last) {
    const uint64_t byte = std::min(lane.bit / 8, last);
    const uint64_t shift = lane.bit - 8 * byte;
    if (shift >= 64) return ~uint64_t{0};
    return load_be64(lane.packet + byte) << shift | ((uint64_t{1} << shift) - 1);
}

// Four lookups in each lane. The lowest bit of what was loaded becomes a one, which moves up as bits are taken, with
// zeros below it, and so counts them.
template <size_t kCount>
inline void take(const uint32_t* entries, Lane (&lanes)[kCount]) {
    for (Lane& lane : lanes) lane.bits |= 1;
    for (size_t i = 0; i < kLookupsPerLoad; ++i) {
        for (Lane& lane : lanes) {
            const uint32_t entry = entries[top_bits(lane.bits)];
            std::memcpy(lane.out, &entry, sizeof entry);
            lane.out += entry >> HuffmanTable::kCountBit;
            lane.bits <<= entry >> HuffmanTable::kLengthBit & 63;
        }
    }
    for (Lane& lane : lanes) lane.bit += static_cast<uint64_t>(__builtin_ctzll(lane.bits));
}

// Decodes until each lane is at the end of its packet or beyond it, where it takes ones.
template <size_t kCount>
inline void take_all(const uint32_t* entries, size_t nbytes, Lane (&lanes)[kCount]) {
    const size_t last = nbytes - 8;
    for (size_t sure = last / kBytesPerLoad + 1; sure > 0; --sure) {
        for (Lane& lane : lanes) lane.bits = load_inside(lane);
        take(entries, lanes);
    }
    for (bool unfinished = true; unfinished;) {
        for (Lane& lane : lanes) lane.bits = load_anywhere(lane, last);
        take(entries, lanes);
        unfinished = false;
        for (const Lane& lane : lanes) unfinished |= lane.bit < 8 * nbytes;
    }
}

// Takes back the codewords that do not fit in the packet. If the rest of the packet is filled with ones, each of them
// is the last of the code, all ones, and so of the greatest length; else the bits from where these would begin are not
// all ones. Answers whether they are.
inline bool give_back(size_t nbytes, size_t longest, Lane* lane) {
    const uint64_t end = 8 * nbytes;
    const uint64_t beyond = (lane->bit - end + longest - 1) / longest;
    lane->out -= beyond;
    const uint64_t fill = end + beyond * longest - lane->bit;  // bits, fewer than `longest`
    return (~load_be64(lane->packet + nbytes - 8) & ((uint64_t{1} << fill) - 1)) == 0;
}

// Answers whether all fills are ones.
template <size_t kCount>
bool decode_runs(const HuffmanTable& table, size_t nbytes, const uint8_t* packets, size_t count, uint8_t** symbols,
                 uint16_t* counts) {
    bool filled = true;
    for (size_t p = 0; p < count; ++p) {
        Lane lanes[kCount];
        for (size_t l = 0; l < kCount; ++l) lanes[l] = {packets + (l * count + p) * nbytes, symbols[l], 0, 0};
        take_all(table.entries(), nbytes, lanes);
        for (size_t l = 0; l < kCount; ++l) {
            filled &= give_back(nbytes, table.longest(), &lanes[l]);
            counts[l * count + p] = static_cast<uint16_t>(lanes[l].out - symbols[l]);
            symbols[l] = lanes[l].out;
        }
    }
    return filled;
}

}  // namespace

PacketDecoder::PacketDecoder(const HuffmanCode& code, const Packets& packets) : code_(code), nbytes_(packets.nbytes) {
    if (!code.is_plain()) table_ = HuffmanTable(code, packets.total_nbytes >= kMinBytesOfDeep);
}

bool PacketDecoder::decode(const uint8_t* packets, size_t count, uint8_t** symbols, uint16_t* counts) const {
    return decode_runs<1>(table_, nbytes_, packets, count, symbols, counts);
}

bool PacketDecoder::decode_lanes(const uint8_t* packets, size_t count, uint8_t** symbols, uint16_t* counts) const {
    return decode_runs<kLanes>(table_, nbytes_, packets, count, symbols, counts);
}

bool PacketDecoder::decode_one(const uint8_t* packet, size_t nbytes, uint8_t** symbols, uint16_t* count) const {
    return decode_runs<1>(table_, nbytes, packet, 1, symbols, count);
}

bool PacketDecoder::ends_after(const uint8_t* packet, size_t nbytes, size_t count) const {
    Lane lane{packet, nullptr, 0, 0};
    for (; count > 0; --count) lane.bit += code_.length_at(top_bits(load_anywhere(lane, nbytes - 8)));
    for (; lane.bit < 8 * nbytes; ++lane.bit) {
        if ((packet[lane.bit / 8] >> (7 - lane.bit % 8) & 1) == 0) return false;
    }
    return true;
}

}  // namespace onnxdc
