// Dense x sparse matrix product: the kernel below SparseQuantGemm and SparseQuantMatMul.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "decoder/weight.h"
#include "isa/isa.h"
#include "parallel/executor.h"
#include "simd/epilogue.h"

namespace onnxdc {

// One product of m rows of x with the weight W:
//   y[i, n] = alpha * sum over k of x[i, k] * W[k, n]  +  bias[n]
// where the sum runs over the nonzeros of W only, so a pruned weight does not see a NaN or an infinity in x.
// Strides are in floats. x may be transposed: x[i, k] lies at x[i * x_row_stride + k * x_column_stride].
struct MatrixRun {
    const float* x = nullptr;
    float* y = nullptr;           // y[i, n] lies at y[i * y_row_stride + n]; must not overlap x
    const float* bias = nullptr;  // [outputs], or null for zeros
    int64_t m = 0;                // rows of x and y, 0 or more
    int64_t x_row_stride = 0;
    int64_t x_column_stride = 1;
    int64_t y_row_stride = 0;
    float alpha = 1.0f;
    Epilogue epilogue{};  // is applied to the y above
};

// A 2-D weight in an execution layout. Several threads may run it at once.
class SparseMatrix {
public:
    virtual ~SparseMatrix() = default;

    // `transposed` says that the weight is stored as [outputs, inputs] rather than [inputs, outputs] (Gemm's transB).
    // The weight must be as decoder/weight.h promises and have two dimensions; to move it in saves memory. The ISA must
    // be supported here. `expected_rows` is how many rows x will have, 0 if that is not known: any number works, this
    // one is fast and takes little memory.
    static std::unique_ptr<SparseMatrix> create(SparseWeight weight, bool transposed, Isa isa,
                                                int64_t expected_rows = 0);

    virtual int64_t inputs() const = 0;   // K
    virtual int64_t outputs() const = 0;  // N

    // Whose kernels run: those of what was asked for or of what that stands on, or of kScalar for a weight without
    // elements.
    virtual Isa isa() const = 0;

    // Bytes of scratch memory, aligned to 64, that run() needs for m rows with such an executor; often 0. The first
    // call for many rows may build a layout for them.
    virtual size_t scratch_nbytes(int64_t m, size_t workers) const = 0;

    // Gives the same bits whatever the executor, but for the signs of NaNs. No allocation happens.
    virtual void run(const MatrixRun& run, void* scratch, Executor& executor) const = 0;
};

}  // namespace onnxdc
