// SparseQuantGemm: alpha * A' W' + beta * C, where A' and W' may be transposed. SparseDynamicGemm: the same on
// integers.
#pragma once

#include <memory>

#include "abi/ort.h"
#include "kernels/matrix.h"
#include "ops/arithmetic.h"
#include "ops/epilogue_input.h"
#include "ops/session.h"
#include "ops/weight_input.h"

namespace onnxdc {

class GemmKernel {
public:
    static constexpr const char* kName = "SparseQuantGemm";
    static constexpr size_t kWeightInput = 1;
    static constexpr size_t kInputs = kWeightInput + kGroupInputs + 1;
    static constexpr bool kLastIsOptional = true;
    static constexpr int kOtherType = kFloat;

    GemmKernel(const ort::KernelInfo& info, const Fusion& fusion, const GroupTensors& group,
               Arithmetic arithmetic = Arithmetic::kFloat);
    void compute(const ort::Context& context) const;

private:
    bool transpose_a_;
    float alpha_;
    float beta_;
    std::unique_ptr<SparseMatrix> matrix_;
    mutable SessionThreads threads_;
    EpilogueInput epilogue_;
};

class DynamicGemmKernel : public GemmKernel {
public:
    static constexpr const char* kName = "SparseDynamicGemm";

    DynamicGemmKernel(const ort::KernelInfo& info, const Fusion& fusion, const GroupTensors& group)
        : GemmKernel(info, fusion, group, Arithmetic::kDynamic) {}
};

}  // namespace onnxdc
