// The rules of docs/format.md section 7, and what is said when one is broken.
#pragma once

#include <optional>
#include <string>

namespace onnxdc {

// In the order of the format's table, which is also the order in which the decoder checks.
enum class Rule : int {
    codebook_type,
    codebook_shape,
    step,
    tensor_type,
    extent,
    groups,
    packet_size,
    form,
    zero,
    table_size,
    kraft,
    low_bits,
    checksum,
    truncated,
    packet_fill,
    code,
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
