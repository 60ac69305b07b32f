// What a processor can do beyond the base of its architecture.
#pragma once

#include <cstdint>

namespace onnxdc {

// A set of features, one bit each.
using Features = uint32_t;

namespace feature {

constexpr Features kAvx2 = 1u << 0;
constexpr Features kFma = 1u << 1;
constexpr Features kAvx512f = 1u << 2;
constexpr Features kAvx512bw = 1u << 3;
constexpr Features kAvx512dq = 1u << 4;
constexpr Features kAvx512vl = 1u << 5;
constexpr Features kNeon = 1u << 6;
constexpr Features kAvx512Vnni = 1u << 7;
constexpr Features kAvx512Vbmi = 1u << 8;
constexpr Features kAvxVnni = 1u << 9;
constexpr Features kNeonDot = 1u << 10;

}  // namespace feature

constexpr bool has_all(Features present, Features needed) { return (present & needed) == needed; }

// Those of this processor that its operating system supports.
Features processor_features();

}  // namespace onnxdc
