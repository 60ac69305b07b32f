// CRC-32 against its published check value, and in pieces.
#include <cstring>

#include "check.h"
#include "decoder/crc32.h"

int main() {
    using onnxdc::crc32;
    const char* digits = "123456789";
    CHECK(crc32(0, digits, 9) == 0xCBF43926u);
    CHECK(crc32(0, digits, 0) == 0);
    const char* text = "The quick brown fox jumps over the lazy dog";
    CHECK(crc32(0, text, std::strlen(text)) == 0x414FA339u);
    for (size_t cut = 0; cut <= std::strlen(text); ++cut) {
        CHECK(crc32(crc32(0, text, cut), text + cut, std::strlen(text) - cut) == 0x414FA339u);
    }
    return check::finish();
}
