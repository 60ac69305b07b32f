// How expanding a model ends if it fails. Thrown within expand/ only, and caught by the entry points.
#pragma once

#include <string>
#include <string_view>

#include "include/onnxdc.h"

namespace onnxdc::expansion {

struct Failure {
    onnxdc_result result;
    std::string text;  // one line
};

// A text out of a file as it may be printed: cut where it is long, and without characters that do more than print.
std::string shown(std::string_view text);

}  // namespace onnxdc::expansion
