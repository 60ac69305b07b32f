// The rules of docs/format.md section 6, and what is said when one is broken.
#pragma once

#include <optional>
#include <string>

namespace onnxdc {

// In the order of the format's table, which is also the order in which the decoder checks.
enum class Rule : int {
    codebook_type,
    codebook_shape,
    codebook_zero,
    tensor_type,
    shape,
    groups,
    index_bits,
    chunk_size,
    stream_size,
    length_count,
    length_range,
    kraft,
    chunk_count,
    chunk_order,
    chunk_end,
    no_gaps,
    checksum,
    truncated,
    bad_code,
    trailing_bits,
    position,
};

// The rule's name in the format's table, "codebook-type" and so on.
const char* rule_name(Rule rule);

struct Violation {
    Rule rule;
    std::string detail;  // one line: what was found, what was expected
};

// What a check answers: nothing when all is well.
using Verdict = std::optional<Violation>;

// A violation whose detail is written as by printf.
[[gnu::format(printf, 2, 3)]] Violation violation(Rule rule, const char* format, ...);

}  // namespace onnxdc
