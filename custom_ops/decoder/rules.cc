#include "decoder/rules.h"

#include <cstdarg>
#include <cstdio>

namespace onnxdc {

const char* rule_name(Rule rule) {
    switch (rule) {
        case Rule::codebook_type: return "codebook-type";
        case Rule::codebook_shape: return "codebook-shape";
        case Rule::codebook_zero: return "codebook-zero";
        case Rule::tensor_type: return "tensor-type";
        case Rule::shape: return "shape";
        case Rule::groups: return "groups";
        case Rule::index_bits: return "index-bits";
        case Rule::chunk_size: return "chunk-size";
        case Rule::stream_size: return "stream-size";
        case Rule::length_count: return "length-count";
        case Rule::length_range: return "length-range";
        case Rule::kraft: return "kraft";
        case Rule::chunk_count: return "chunk-count";
        case Rule::chunk_order: return "chunk-order";
        case Rule::chunk_end: return "chunk-end";
        case Rule::no_gaps: return "no-gaps";
        case Rule::checksum: return "checksum";
        case Rule::truncated: return "truncated";
        case Rule::bad_code: return "bad-code";
        case Rule::trailing_bits: return "trailing-bits";
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
