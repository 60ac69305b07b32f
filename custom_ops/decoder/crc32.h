// CRC-32 (ISO-HDLC, the one of zlib).
#pragma once

#include <cstddef>
#include <cstdint>

namespace onnxdc {

// Continues `crc` over `size` bytes; start with 0. crc32(0, "123456789", 9) is 0xCBF43926.
uint32_t crc32(uint32_t crc, const void* data, size_t size);

}  // namespace onnxdc
