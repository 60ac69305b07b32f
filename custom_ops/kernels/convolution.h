// Convolution with a sparse weight: the kernel below SparseQuantConv.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "decoder/weight.h"
#include "isa/isa.h"
#include "parallel/executor.h"
#include "simd/epilogue.h"

namespace onnxdc {

// Spatial sizes in the order of the tensor's axes. Convolutions of fewer dimensions have leading ones (zeros for pads):
// a 2-D one is {1, height, width}, a 1-D one {1, 1, length}.
using Spatial = std::array<int64_t, 3>;

inline int64_t product(const Spatial& size) { return size[0] * size[1] * size[2]; }

// Of kernels with more places than these, to describe the inputs of each would take more time and memory than it saves.
// The kernels of networks have at most some hundreds.
constexpr int64_t kMaxTaps = 4096;
// Each group takes a layout of its own, some 200 bytes though it be empty, which a file of a few bytes can ask for.
constexpr int64_t kMaxGroups = 65536;

// What is known when the convolution is created; the kernel's sizes come with the weight.
struct ConvolutionParams {
    int64_t groups = 1;  // divides the weight's first dimension
    Spatial strides{1, 1, 1};
    Spatial dilations{1, 1, 1};
};

// One convolution of x[batch, inputs, in_size...] into y[batch, outputs, out_size...], both contiguous.
struct ConvolutionRun {
    const float* x = nullptr;
    float* y = nullptr;           // must not overlap x
    const float* bias = nullptr;  // [outputs], or null for zeros
    int64_t batch = 0;
    Spatial in_size{1, 1, 1};
    Spatial out_size{1, 1, 1};
    // At the beginning of each axis, negative where the input is cropped; those at the end follow from out_size.
    Spatial pads{0, 0, 0};
    Epilogue epilogue{};
};

inline bool is_empty(const ConvolutionRun& run) { return run.batch * product(run.out_size) == 0; }

// A weight [outputs, inputs / groups, kernel...] of 1 to 3 kernel dimensions in an execution layout. It is immutable,
// so several threads may run it at once.
class SparseConvolution {
public:
    virtual ~SparseConvolution() = default;

    // The weight must be as decoder/weight.h promises and have 3 to 5 dimensions; to move it in saves memory. The ISA
    // must be supported here.
    static std::unique_ptr<SparseConvolution> create(SparseWeight weight, const ConvolutionParams& params, Isa isa);

    virtual int64_t inputs() const = 0;   // channels of x
    virtual int64_t outputs() const = 0;  // channels of y

    // Whose kernels run: those of what was asked for or of what that stands on, or of kScalar for a weight without
    // elements, with one that is infinite or NaN, with thousands of taps, or with more groups than 65536.
    virtual Isa isa() const = 0;

    // Bytes of scratch memory, aligned to 64, that run() needs for these sizes with such an executor.
    virtual size_t scratch_nbytes(const ConvolutionRun& run, size_t workers) const = 0;

    // The sum runs over the nonzeros of the weight only. Gives the same bits whatever the executor, but for
    // the signs of NaNs. No allocation happens.
    virtual void run(const ConvolutionRun& run, void* scratch, Executor& executor) const = 0;
};

}  // namespace onnxdc
