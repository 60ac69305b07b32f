// A stream of packets: docs/format.md section 4.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onnxdc {

constexpr size_t kMaxPacketBytes = 64;

// `count` packets of `nbytes` bytes each (8, 16, 32 or 64), one after the other. A plain stream is seen as packets of
// one byte, each of which is a symbol.
struct Packets {
    const uint8_t* data = nullptr;
    size_t nbytes = 0;
    size_t count = 0;

    const uint8_t* at(size_t packet) const { return data + packet * nbytes; }
    size_t total_nbytes() const { return count * nbytes; }
};

}  // namespace onnxdc
