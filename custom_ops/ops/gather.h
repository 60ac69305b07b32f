// SparseQuantGather: Gather on a compressed table, of which only the slices asked for are decoded.
#pragma once

#include <vector>

#include "abi/ort.h"
#include "decoder/range_reader.h"
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
    GatherKernel(const ort::KernelInfo& info, const Fusion&);
    void compute(const ort::Context& context) const;

private:
    const uint8_t* bytes(const ort::Context& context, size_t input, size_t nbytes) const;

    std::vector<int64_t> shape_;
    size_t axis_ = 0;
    size_t code_nbytes_ = 0;
    size_t low_nbytes_ = 0;
    size_t gap_nbytes_ = 0;
    RangeReader reader_;
    mutable SessionThreads threads_;
};

}  // namespace onnxdc
