#include "kernels/input_range.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "layouts/integer_rows.h"
#include "parallel/range.h"

namespace onnxdc {

namespace {

constexpr float kMostByte = 255.0f;
// So many floats are looked at in one task, at least: a call takes as long as some hundred.
constexpr size_t kFloatsAtOnce = 4096;

// Of inputs from `low` to `high`, both finite, 0 among them.
InputRange input_range(float low, float high) {
    const float scale = std::max(high / kMostByte - low / kMostByte, kLeastScale);
    const float inverse = 1.0f / scale;
    return {scale, inverse, static_cast<int32_t>(round_to_even(-low * inverse))};
}

// Of inputs that have no range.
InputRange no_range() { return {std::numeric_limits<float>::quiet_NaN(), 0.0f, 0}; }

}  // namespace

InputRange range_of(const Extremes* parts, size_t count) {
    Extremes all{0.0f, 0.0f, true};
    for (const Extremes* part = parts; part < parts + count; ++part)
        all = {std::min(all.low, part->low), std::max(all.high, part->high), all.finite && part->finite};
    return all.finite ? input_range(all.low, all.high) : no_range();
}

size_t range_parts(size_t size) { return divide_up(size, kFloatsAtOnce); }

void find_ranges(const ByteKernels& kernels, const Images& images, Extremes* extremes, InputRange* ranges,
                 Executor& executor) {
    const size_t tasks = executor.workers(), parts = range_parts(images.size);
    executor.parallel_for(tasks, [&](size_t task) {
        const Range own = part_of(images.count * parts, tasks, task);
        for (size_t i = own.begin; i < own.end; ++i) {
            const Range part = part_of(images.size, parts, i % parts);
            extremes[i] = kernels.extremes(images.x + i / parts * images.size + part.begin, part.end - part.begin);
        }
    });
    for (size_t image = 0; image < images.count; ++image) ranges[image] = range_of(extremes + image * parts, parts);
}

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
