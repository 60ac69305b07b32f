// A stream of packets: docs/format.md section 4.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onnxdc {

constexpr size_t kMaxPacketBytes = 256;
constexpr size_t kPacketGrain = 8;  // bytes: the last packet has a multiple of these

// `count` packets of `nbytes` bytes each (8, 16, 32, 64, 128 or 256), one after the other, but for the last one, which
// may be shorter. A plain stream is seen as packets of one byte, each of which is a symbol.
struct Packets {
    const uint8_t* data = nullptr;
    size_t nbytes = 0;
    size_t count = 0;
    size_t total_nbytes = 0;

    const uint8_t* at(size_t packet) const { return data + packet * nbytes; }
    size_t nbytes_of_last() const { return total_nbytes - (count - 1) * nbytes; }
};

}  // namespace onnxdc
