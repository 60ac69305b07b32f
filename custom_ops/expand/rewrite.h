// The model as it becomes by a plan. What the plan does not change is copied byte for byte.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "expand/message.h"
#include "expand/onnx.h"
#include "expand/plan.h"

namespace onnxdc::expansion {

// A file next to the model that has the bytes of its tensors, one after the other.
struct DataLayout {
    struct Part {
        Payload* payload;
        uint64_t offset;
    };

    std::string file;  // its name; empty if the tensors lie in the model
    std::vector<Part> parts;
};

// Writes all payloads of weights, and of tensors that are moved, into the model, or to `data` if that names a file.
Message rewrite_model(const Model& model, const Weights& weights, Keeper* keeper, DataLayout* data);

}  // namespace onnxdc::expansion
