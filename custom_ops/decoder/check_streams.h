// What can be checked of the two streams of a weight group without decoding them.
#pragma once

#include "decoder/check.h"

namespace onnxdc {

// Each fills its part of `checked`, or names the first rule of its own that is broken. What comes before these in the
// format's table must have been checked.

// The rules `packet-size` and `form`.
Verdict check_packets(const WeightGroup& group, CheckedGroup* checked);

// The rules `table-size`, `kraft` and `low-bits`.
Verdict check_codes(const WeightGroup& group, CheckedGroup* checked);

}  // namespace onnxdc
