// The weight group among a node's inputs and attributes, checked when the kernel is created.
#pragma once

#include <array>

#include "abi/ort.h"
#include "decoder/check.h"
#include "decoder/weight.h"

namespace onnxdc {

// The inputs of a group: its tensors, then the two for the symbols that portable bodies read, which may be left out.
constexpr size_t kSymbolInputs = 2;
constexpr size_t kGroupInputs = kGroupTensors + kSymbolInputs;

// The name of the weight whose group starts at input `first`: that of its codebook, without the suffix of the
// convention.
std::string weight_name(const ort::KernelInfo& info, size_t first);

// A float32 weight group that starts at input `first` of the node. Every function throws ort::Error, naming the rule,
// for a group that docs/format.md section 7 rejects.
class WeightInput {
public:
    WeightInput(const ort::KernelInfo& info, size_t first);

    WeightInput(const WeightInput&) = delete;
    WeightInput& operator=(const WeightInput&) = delete;

    const CheckedGroup& group() const { return group_; }
    // For the kernels whose layouts take memory for each of the `outputs`, whether it has nonzeros or not: refuses more
    // than onnxdc/passes/execution.py lets through, since a file of a few bytes can claim billions.
    SparseWeight decode(int64_t outputs) const;
    ElementCodes decode_codes() const;

private:
    std::array<ort::Tensor, kGroupTensors> tensors_;
    CheckedGroup group_;  // refers to tensors_
};

}  // namespace onnxdc
