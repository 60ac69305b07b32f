#include "decoder/crc32.h"

#include <array>

namespace onnxdc {
namespace {

// of[0][b] is the remainder of byte b; of[k][b] that of byte b followed by k zero bytes. Eight lookups then
// advance the remainder by eight bytes at once ("slicing by 8"), about six times faster than byte by byte.
struct Tables {
    std::array<std::array<uint32_t, 256>, 8> of{};

    constexpr Tables() {
        for (uint32_t byte = 0; byte < 256; ++byte) {
            // 0xEDB88320 is the polynomial of ISO-HDLC, 0x04C11DB7, with its bits reversed.
            uint32_t remainder = byte;
            for (int bit = 0; bit < 8; ++bit) remainder = (remainder >> 1) ^ (remainder & 1 ? 0xEDB88320u : 0u);
            of[0][byte] = remainder;
        }
        for (size_t k = 1; k < 8; ++k) {
            for (size_t byte = 0; byte < 256; ++byte) {
                of[k][byte] = (of[k - 1][byte] >> 8) ^ of[0][of[k - 1][byte] & 0xFF];
            }
        }
    }
};

constexpr Tables kTables;

uint32_t load_le32(const uint8_t* bytes) {
    return bytes[0] | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 24;
}

}  // namespace

uint32_t crc32(uint32_t crc, const void* data, size_t size) {
    const uint8_t* next = static_cast<const uint8_t*>(data);
    const auto& t = kTables.of;
    crc = ~crc;
    for (; size >= 8; size -= 8, next += 8) {
        const uint32_t low = crc ^ load_le32(next);
        const uint32_t high = load_le32(next + 4);
        crc = t[7][low & 0xFF] ^ t[6][low >> 8 & 0xFF] ^ t[5][low >> 16 & 0xFF] ^ t[4][low >> 24] ^  //
              t[3][high & 0xFF] ^ t[2][high >> 8 & 0xFF] ^ t[1][high >> 16 & 0xFF] ^ t[0][high >> 24];
    }
    for (; size > 0; --size) crc = (crc >> 8) ^ t[0][(crc ^ *next++) & 0xFF];
    return ~crc;
}

}  // namespace onnxdc
