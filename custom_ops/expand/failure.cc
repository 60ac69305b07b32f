#include "expand/failure.h"

#include <cstdio>

namespace onnxdc::expansion {

std::string shown(std::string_view text) {
    constexpr size_t kMost = 100;  // bytes, a choice
    std::string out;
    for (const char character : text.substr(0, kMost)) {
        const auto byte = static_cast<unsigned char>(character);
        char escaped[5];
        std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
        out += byte < 0x20 || byte >= 0x7f ? std::string(escaped) : std::string(1, character);
    }
    return text.size() > kMost ? out + "..." : out;
}

}  // namespace onnxdc::expansion
