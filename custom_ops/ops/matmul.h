// SparseQuantMatMul: A of any rank times a constant matrix.
#pragma once

#include <memory>

#include "abi/ort.h"
#include "decoder/weight_group.h"
#include "kernels/matrix.h"

namespace onnxdc {

class MatMulKernel {
public:
    static constexpr const char* kName = "SparseQuantMatMul";
    static constexpr size_t kWeightInput = 1;
    static constexpr size_t kInputs = 8;
    static constexpr bool kLastIsOptional = false;
    static constexpr int kOtherType = kFloat;

    explicit MatMulKernel(const ort::KernelInfo& info);
    void compute(const ort::Context& context) const;

private:
    std::unique_ptr<SparseMatrix> matrix_;
};

}  // namespace onnxdc
