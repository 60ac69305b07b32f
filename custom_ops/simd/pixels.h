// Pixels whose channels lie side by side: what their bytes are made of, and what the sums of layouts/lanes.h at pixels
// become. One set for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa/isa.h"

namespace onnxdc {

// Pixels of a row in floats: pixel i of channel c is x[c * pitch + i * step].
struct PixelRow {
    const float* x;
    size_t pitch;
    size_t step;
    size_t pixels;
    size_t channels;
};

// The rows of one band by their places in it, [WindowLanes::kBandRows], aligned to 64 bytes; `count` places have one.
struct PixelBand {
    const int32_t* sum;  // of the integers
    const float* scale;
    const float* bias;
    const uint32_t* row;  // its number within the band
    size_t count;
};

// Where the outputs of some pixels go: those of row r begin at y + r * pitch, and what is added to them, unless it is
// null, at residual + r * pitch.
struct PixelOutput {
    float* y;
    const float* residual;
    size_t pitch;
    float low, high;
};

struct PixelKernels {
    static constexpr size_t kMaxPixels = 16;

    // Channel c of pixel i becomes to[i * to_pitch + c] = round(x * inverse) + zero, from 0 to 255. All inputs are
    // finite, and times `inverse` below 2^15 in magnitude.
    void (*round)(const PixelRow& row, float inverse, int32_t zero, uint8_t* to, size_t to_pitch);

    // What the sums [block][pitch pixels][lane] of one band become at `pixels` of these pixels, up to kMaxPixels, whose
    // outputs lie side by side:
    // (sum - zero * sum of the row) * (scale * row scale) + bias, the last product and sum rounded once; plus the
    // residual; then from low to high, with that of high where low is above it. A NaN stays one.
    // The sums of kMaxPixels pixels may be read, whatever they are.
    void (*finish)(const int32_t* sums, size_t pitch, size_t pixels, const PixelBand& band, int32_t zero, float scale,
                   const PixelOutput& output);

    // moved[i] = starts[bases[i] >> shift] + bases[i] % 2^shift
    void (*move_bases)(const uint32_t* bases, size_t count, const uint32_t* starts, uint32_t shift, uint32_t* moved);
};

// Null where there are none.
const PixelKernels* pixel_kernels(Isa isa);

// What the files of each instruction set define.
extern const PixelKernels kPixelKernelsAvx512;

}  // namespace onnxdc
