// What becomes of a model: which nodes and tensors go, and which weights come.
#pragma once

#include <memory>
#include <vector>

#include "expand/onnx.h"
#include "expand/weight.h"

namespace onnxdc::expansion {

using Weights = std::vector<std::unique_ptr<DenseWeight>>;

// Marks in the model what becomes of its nodes, tensors and functions, and answers the weights that nodes turn into:
// each passed the checks of the format but those of decoding. None if there is nothing to do. A Failure if the model
// is of another version of the format, or a weight breaks a rule.
Weights plan_model(Model* model, ExternalData* external, Budget* budget);

}  // namespace onnxdc::expansion
