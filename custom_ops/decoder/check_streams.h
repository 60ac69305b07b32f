// What can be checked of the two bitstreams of a weight group without decoding them.
#pragma once

#include "decoder/check.h"

namespace onnxdc {

// Fills what `checked` has of the streams, their code lengths and the chunks, or names the first rule that is broken,
// of those from `stream-size` to `no-gaps`. What comes before them in the format's table must have been checked.
Verdict check_streams(const WeightGroup& group, CheckedGroup* checked);

}  // namespace onnxdc
