// The epilogue among a node's inputs and attributes.
#pragma once

#include "abi/ort.h"
#include "ops/fusion.h"
#include "simd/epilogue.h"

namespace onnxdc {

class EpilogueInput {
public:
    // `first_bound` is the input after those of the product and what is added to it.
    EpilogueInput(const ort::KernelInfo& info, const Fusion& fusion, size_t first_bound);

    // The epilogue of one call, without a residual. Throws ort::Error if a bound is no scalar.
    Epilogue read(const ort::Context& context) const;

private:
    float bound(const ort::Context& context, size_t index, float fallback) const;

    Activation activation_;
    float slope_;
    size_t first_bound_;
};

}  // namespace onnxdc
