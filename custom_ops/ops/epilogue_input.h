// The epilogue among a node's inputs and attributes.
#pragma once

#include <vector>

#include "abi/ort.h"
#include "ops/fusion.h"
#include "simd/epilogue.h"

namespace onnxdc {

class EpilogueInput {
public:
    // `first` is the input after those of the product: the residual of an operator that adds one.
    EpilogueInput(const ort::KernelInfo& info, const Fusion& fusion, size_t first, bool adds_residual);

    // The epilogue of one call. Throws ort::Error unless a residual has the shape of the output.
    Epilogue read(const ort::Context& context, const std::vector<int64_t>& output_dims) const;

private:
    float bound(const ort::Context& context, size_t index, float fallback) const;

    Activation activation_;
    float slope_;
    size_t first_;
    bool adds_residual_;
};

}  // namespace onnxdc
