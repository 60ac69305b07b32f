#include "kernels/input_range.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "layouts/integer_rows.h"

namespace onnxdc {

constexpr float kMostByte = 255.0f;

InputRange input_range(float low, float high) {
    const float scale = std::max(high / kMostByte - low / kMostByte, kLeastScale);
    const float inverse = 1.0f / scale;
    return {scale, inverse, static_cast<int32_t>(round_to_even(-low * inverse))};
}

InputRange no_range() { return {std::numeric_limits<float>::quiet_NaN(), 0.0f, 0}; }

InputRange find_range(const float* x, int64_t stride, size_t count) {
    float low = 0.0f, high = 0.0f;
    bool finite = true;
    for (size_t i = 0; i < count; ++i) {
        const float value = x[static_cast<int64_t>(i) * stride];
        finite &= std::isfinite(value);
        low = std::min(low, value);
        high = std::max(high, value);
    }
    return finite ? input_range(low, high) : no_range();
}

void round_inputs(const float* x, int64_t stride, size_t count, const InputRange& range, uint8_t* bytes) {
    if (!std::isfinite(range.scale)) {
        std::fill_n(bytes, count, uint8_t{0});
        return;
    }
    const auto zero = static_cast<float>(range.zero);
    for (size_t i = 0; i < count; ++i) {
        const float byte = round_to_even(x[static_cast<int64_t>(i) * stride] * range.inverse) + zero;
        bytes[i] = static_cast<uint8_t>(std::clamp(byte, 0.0f, kMostByte));
    }
}

}  // namespace onnxdc
