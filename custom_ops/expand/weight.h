// A compressed weight of a model, which becomes a plain one.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "decoder/check.h"
#include "expand/onnx.h"
#include "expand/payload.h"
#include "expand/tensor.h"

namespace onnxdc::expansion {

// How many bytes a model may make of itself: SECURITY.md.
class Budget {
public:
    // `limit` 0 stands for what the bytes of the model allow.
    Budget(uint64_t limit, uint64_t model_nbytes);

    // Charges the bytes of a dense weight before they are taken; a Failure if all together are more than the limit.
    void charge(uint64_t nbytes, std::string_view weight);

    // The same for bytes that are read to check a group: many nodes may name one group. They have a limit of their own,
    // which no model reaches otherwise.
    void charge_reading(uint64_t nbytes, std::string_view weight);

    // Allows for more bytes of the model: those of external data.
    void grow(uint64_t nbytes);

private:
    // What the bytes of the model allow.
    uint64_t own_limit() const;

    const uint64_t limit_;
    uint64_t model_nbytes_;
    uint64_t dense_ = 0;
    uint64_t read_ = 0;
};

// The type of a node that decodes a weight.
bool is_decoder(const Node& node);

// The type of a node that yields symbols for the portable bodies.
bool is_symbols(const Node& node);

// A weight that passed all checks but those of decoding.
class DenseWeight final : public Payload {
public:
    // Reads the group of a node. `find` answers what a name stands for, null for what is not constant. A Failure that
    // names the weight if a rule is broken.
    template <class Find>
    DenseWeight(const Node& node, const Find& find, ExternalData* external, Budget* budget) {
        std::array<const Tensor*, kGroupTensors> tensors{};
        for (size_t i = 0; i < kGroupTensors && i < node.inputs.size(); ++i) tensors[i] = find(node.inputs[i]);
        read(node, tensors, external, budget);
    }

    std::string_view name() const { return name_; }
    const std::vector<int64_t>& dims() const { return group_.shape; }
    int32_t type() const { return group_.dtype; }

    uint64_t nbytes() const override;
    void write(Scratch* scratch, const Writer& writer) override;

private:
    bool has_nibbles() const { return group_.dtype == kInt4 || group_.dtype == kUint4; }
    void read(const Node& node, const std::array<const Tensor*, kGroupTensors>& tensors, ExternalData* external,
              Budget* budget);
    void read_group(const Node& node, const std::array<const Tensor*, kGroupTensors>& tensors, ExternalData* external,
                    Budget* budget);

    std::string_view name_;
    std::vector<GroupTensor> tensors_;
    CheckedGroup group_;  // looks into them
};

}  // namespace onnxdc::expansion
