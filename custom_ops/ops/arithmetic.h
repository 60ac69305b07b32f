// What the numbers of a layer are while it computes its sums.
#pragma once

namespace onnxdc {

enum class Arithmetic {
    kFloat,
    kDynamic,  // integers: inputs rounded by their range in each run (docs/format.md, section 9)
};

}  // namespace onnxdc
