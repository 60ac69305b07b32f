// Nodes of every operator with a small weight, for the tests that run kernels as the runtime does.
#pragma once

#include <string>
#include <vector>

#include "fake_runtime.h"
#include "group_builder.h"
#include "random_weight.h"

namespace onnxdc {

inline OrtValue float_value(std::vector<int64_t> dims, Random& random) {
    int64_t count = 1;
    for (const int64_t dim : dims) count *= dim;
    OrtValue value{kFloat, std::move(dims), std::vector<uint8_t>(static_cast<size_t>(count) * sizeof(float))};
    for (int64_t i = 0; i < count; ++i) {
        const float number = random_float(random);
        std::memcpy(value.bytes.data() + i * static_cast<int64_t>(sizeof number), &number, sizeof number);
    }
    return value;
}

// A node and inputs for it. The tensors of a group follow each other among the inputs from `first` on.
struct OpCase {
    std::string op;
    size_t first;
    std::vector<int64_t> weight_shape;
    std::vector<std::vector<int64_t>> before, after;  // shapes of the inputs before the group, and of those after it
    std::map<std::string, OrtKernelInfo::Attribute> attributes{};

    // What the node has, its tensors owned here. Neither may be moved once `info` has been filled.
    struct Node {
        std::vector<OrtValue> group;
        OrtValue symbols{kUint8, {0}, {}};  // of the codes; those of the gaps are left out
        OrtKernelInfo info;

        // The same for a group of an outer graph, as older runtimes show it: its tensors come with each run only.
        OrtKernelInfo info_in_subgraph() const {
            OrtKernelInfo inner = info;
            for (OrtKernelInfo::Input& input : inner.inputs) input.constant = nullptr;
            return inner;
        }
    };

    void fill(Node* node, Random& random) const {
        int64_t numel = 1;
        for (const int64_t dim : weight_shape) numel *= dim;
        std::vector<float> dense;
        TestGroup test = random_group(numel, 3, random, &dense);
        test.set_shape(weight_shape);
        for (const TestTensor* tensor : test.tensors())
            node->group.push_back({tensor->type, tensor->dims, tensor->bytes});
        for (const auto& dims : before) node->info.inputs.push_back({"x", nullptr, dims});
        for (const OrtValue& tensor : node->group) node->info.inputs.push_back({"w.codebook", &tensor});
        for (const char* symbols : {"symbols", ""}) node->info.inputs.push_back({symbols});
        for (const auto& dims : after) node->info.inputs.push_back({"b", nullptr, dims});
        node->info.attributes = attributes;
        node->info.attributes["checksum"] = test.view().checksum;
        node->info.attributes["packet"] = test.packet;
    }

    // Inputs in the order of the node's: values before and after the group, which the node has.
    OrtKernelContext context(const Node& node, const std::vector<OrtValue>& values) const {
        OrtKernelContext context;
        for (size_t i = 0; i < before.size(); ++i) context.inputs.push_back(&values[i]);
        for (const OrtValue& tensor : node.group) context.inputs.push_back(&tensor);
        context.inputs.push_back(&node.symbols);
        context.inputs.push_back(nullptr);
        for (size_t i = before.size(); i < values.size(); ++i) context.inputs.push_back(&values[i]);
        return context;
    }

    std::vector<OrtValue> random_inputs(Random& random) const {
        std::vector<OrtValue> values;
        for (const auto* shapes : {&before, &after})
            for (const auto& dims : *shapes) values.push_back(float_value(dims, random));
        if (op == "SparseQuantGather") values[0] = {kInt64, {3}, std::vector<uint8_t>(24)};  // three times row 0
        return values;
    }
};

using Integers = std::vector<int64_t>;

// One for each kernel, with residuals of three shapes for the convolution.
inline std::vector<OpCase> op_cases() {
    return {
        {"SparseQuantGemmLeakyRelu",
         1,
         {40, 24},
         {{3, 40}},
         {{3, 24}},
         {{"alpha", 0.5f}, {"beta", 2.0f}, {"slope", 0.2f}}},
        {"SparseQuantMatMulBias", 1, {40, 24}, {{2, 30, 40}}, {{24}}, {}},
        {"SparseQuantConvAddRelu",
         1,
         {6, 4, 3, 3},
         {{1, 4, 9, 9}},
         {{6}, {1, 6, 9, 9}},
         {{"pads", Integers{1, 1, 1, 1}}}},
        {"SparseQuantConvAdd", 1, {6, 4, 3}, {{2, 4, 9}}, {{6}, {6, 1}}, {{"auto_pad", std::string("SAME_LOWER")}}},
        {"SparseQuantConvAdd", 1, {6, 4, 1, 1}, {{1, 4, 2, 2}}, {{6}, {2, 3, 1, 6, 2, 2}}, {}},
        {"SparseQuantGather", 0, {9, 5}, {}, {{3}}, {}},
        {"SparseDynamicGemmLeakyRelu", 1, {40, 24}, {{3, 40}}, {{3, 24}}, {{"alpha", 0.5f}, {"slope", 0.2f}}},
        {"SparseDynamicMatMulBias", 1, {40, 24}, {{2, 30, 40}}, {{24}}, {}},
        {"SparseDynamicConvAddRelu",
         1,
         {6, 4, 3, 3},
         {{1, 4, 9, 9}},
         {{6}, {1, 6, 9, 9}},
         {{"pads", Integers{1, 1, 1, 1}}}},
    };
}

}  // namespace onnxdc
