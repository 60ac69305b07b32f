// SparseQuantMatMul: A of any rank times a constant matrix, and a bias where the name says so. SparseDynamicMatMul: the
// same on integers.
#pragma once

#include <memory>

#include "abi/ort.h"
#include "kernels/matrix.h"
#include "ops/arithmetic.h"
#include "ops/epilogue_input.h"
#include "ops/session.h"
#include "ops/weight_input.h"

namespace onnxdc {

class MatMulKernel {
public:
    static constexpr const char* kName = "SparseQuantMatMul";
    static constexpr size_t kWeightInput = 1;
    static constexpr size_t kInputs = kWeightInput + kGroupInputs;
    static constexpr bool kLastIsOptional = false;
    static constexpr int kOtherType = kFloat;

    MatMulKernel(const ort::KernelInfo& info, const Fusion& fusion, const GroupTensors& group,
                 Arithmetic arithmetic = Arithmetic::kFloat);
    void compute(const ort::Context& context) const;

private:
    std::unique_ptr<SparseMatrix> matrix_;
    mutable SessionThreads threads_;
    bool has_bias_;
    EpilogueInput epilogue_;
};

class DynamicMatMulKernel : public MatMulKernel {
public:
    static constexpr const char* kName = "SparseDynamicMatMul";

    DynamicMatMulKernel(const ort::KernelInfo& info, const Fusion& fusion, const GroupTensors& group)
        : MatMulKernel(info, fusion, group, Arithmetic::kDynamic) {}
};

}  // namespace onnxdc
