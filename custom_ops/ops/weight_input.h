// The weight group among a node's inputs and attributes, checked when it is first read.
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

// The tensors of a group, in order.
using GroupTensors = std::array<ort::Tensor, kGroupTensors>;

// Reads the group at input `first` of a node whose kernel is created. Answers false if the runtime does not show all of
// it yet.
bool read_constant_group(const ort::KernelInfo& info, size_t first, GroupTensors* tensors);

// Reads the group at input `first` of a node that runs. Throws ort::Error if one of its tensors is left out.
GroupTensors read_group(const ort::Context& context, size_t first);

// Throws ort::Error unless tensors are those of the group that was read before, whose data may be gone by now. Data at
// the same address are taken for the same; others, which a runtime may have moved, must have the checksum that the node
// says.
void require_same_group(const ort::KernelInfo& info, const GroupTensors& before, const GroupTensors& now);

// A float32 weight group among the inputs of a node. Every function throws ort::Error, naming the rule, for a group
// that docs/format.md section 7 rejects.
class WeightInput {
public:
    // The tensors must outlive it.
    WeightInput(const ort::KernelInfo& info, const GroupTensors& tensors);

    WeightInput(const WeightInput&) = delete;
    WeightInput& operator=(const WeightInput&) = delete;

    const CheckedGroup& group() const { return group_; }
    // For the kernels whose layouts take memory for each of the `outputs`, whether it has nonzeros or not: refuses more
    // than onnxdc/passes/execution.py lets through, since a file of a few bytes can claim billions.
    SparseWeight decode(int64_t outputs) const;
    ElementCodes decode_codes() const;

private:
    CheckedGroup group_;
};

}  // namespace onnxdc
