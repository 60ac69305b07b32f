// SparseQuantConv: convolution over one to three axes, in groups. SparseDynamicConv: the same on integers.
#pragma once

#include <memory>

#include "abi/ort.h"
#include "kernels/convolution.h"
#include "ops/arithmetic.h"
#include "ops/broadcast.h"
#include "ops/conv_shape.h"
#include "ops/epilogue_input.h"
#include "ops/session.h"
#include "ops/weight_input.h"

namespace onnxdc {

class ConvKernel {
public:
    static constexpr const char* kName = "SparseQuantConv";
    static constexpr size_t kWeightInput = 1;
    static constexpr size_t kInputs = kWeightInput + kGroupInputs + 1;
    static constexpr bool kLastIsOptional = true;
    static constexpr int kOtherType = kFloat;

    ConvKernel(const ort::KernelInfo& info, const Fusion& fusion, const GroupTensors& group,
               Arithmetic arithmetic = Arithmetic::kFloat)
        : ConvKernel(info, fusion, WeightInput(info, group), arithmetic) {}
    void compute(const ort::Context& context) const;

private:
    ConvKernel(const ort::KernelInfo& info, const Fusion& fusion, const WeightInput& weight, Arithmetic arithmetic);

    void convolve(const ort::Context& context, const ConvolutionRun& run) const;
    void add_residual(const ort::Context& context, const Dims& product_dims, ConvolutionRun run,
                      Epilogue epilogue) const;

    ConvAttributes attributes_;
    bool adds_residual_;
    EpilogueInput epilogue_;
    std::unique_ptr<SparseConvolution> convolution_;
    mutable SessionThreads threads_;
};

class DynamicConvKernel : public ConvKernel {
public:
    static constexpr const char* kName = "SparseDynamicConv";

    DynamicConvKernel(const ort::KernelInfo& info, const Fusion& fusion, const GroupTensors& group)
        : ConvKernel(info, fusion, group, Arithmetic::kDynamic) {}
};

}  // namespace onnxdc
