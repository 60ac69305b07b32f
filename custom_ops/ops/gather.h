// SparseQuantGather: Gather on a table that is kept as a code for each element; slices that are asked for become
// floats.
#pragma once

#include <vector>

#include "abi/ort.h"
#include "kernels/code_table.h"
#include "ops/fusion.h"
#include "ops/session.h"
#include "ops/weight_input.h"

namespace onnxdc {

class GatherKernel {
public:
    static constexpr const char* kName = "SparseQuantGather";
    static constexpr size_t kWeightInput = 0;
    static constexpr size_t kInputs = kWeightInput + kGroupInputs + 1;
    static constexpr bool kLastIsOptional = false;
    static constexpr int kOtherType = kOrtAnyType;  // int32 or int64, told apart at each call

    // Nothing is fused after a Gather.
    GatherKernel(const ort::KernelInfo& info, const Fusion&, const GroupTensors& group);
    void compute(const ort::Context& context) const;

private:
    std::vector<int64_t> shape_;
    size_t axis_ = 0;
    CodeTable table_;
    mutable SessionThreads threads_;
};

}  // namespace onnxdc
