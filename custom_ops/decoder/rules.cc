#include "decoder/rules.h"

#include <cstdarg>
#include <cstdio>

namespace onnxdc {

const char* rule_name(Rule rule) {
    switch (rule) {
        case Rule::codebook_type: return "codebook-type";
        case Rule::codebook_shape: return "codebook-shape";
        case Rule::step: return "step";
        case Rule::tensor_type: return "tensor-type";
        case Rule::extent: return "extent";
        case Rule::groups: return "groups";
        case Rule::packet_size: return "packet-size";
        case Rule::form: return "form";
        case Rule::zero: return "zero";
        case Rule::table_size: return "table-size";
        case Rule::kraft: return "kraft";
        case Rule::low_bits: return "low-bits";
        case Rule::checksum: return "checksum";
        case Rule::truncated: return "truncated";
        case Rule::packet_fill: return "packet-fill";
        case Rule::code: return "code";
        case Rule::position: return "position";
    }
    return "unknown";
}

Violation violation(Rule rule, const char* format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return {rule, text};
}

}  // namespace onnxdc
