// ONNX models for tests, as bytes: the fields of a message are written one after the other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "expand/onnx.h"
#include "group_builder.h"

namespace onnxdc::expansion {

inline Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

// A message that is being written.
class Proto {
public:
    Proto& text(uint32_t number, std::string_view value) {
        append_text(number, value, &bytes_);
        return *this;
    }
    Proto& number(uint32_t number, uint64_t value) {
        append_number(number, value, &bytes_);
        return *this;
    }
    Proto& message(uint32_t number, const Proto& message) { return text(number, message.bytes_); }
    Proto& raw(std::string_view bytes) {
        bytes_.append(bytes);
        return *this;
    }

    const std::string& bytes() const { return bytes_; }

private:
    std::string bytes_;
};

// A field that ONNX does not have.
constexpr uint32_t kUnknown = 999;

inline std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

inline Proto tensor_proto(std::string_view name, const TestTensor& tensor) {
    Proto proto;
    for (const int64_t dim : tensor.dims) proto.number(kTensorDims, static_cast<uint64_t>(dim));
    proto.number(kTensorType, static_cast<uint64_t>(tensor.type)).text(kTensorName, name);
    return proto.text(kTensorRaw, text_of(tensor.bytes));
}

inline Proto int_attribute(std::string_view name, int64_t value) {
    return Proto()
        .text(kAttributeName, name)
        .number(kAttributeInt, static_cast<uint64_t>(value))
        .number(kAttributeType, 2);
}

inline Proto node_proto(std::string_view domain, std::string_view type, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs) {
    Proto node;
    for (const auto& name : inputs) node.text(kNodeInput, name);
    for (const auto& name : outputs) node.text(kNodeOutput, name);
    return node.text(kNodeType, type).text(kNodeDomain, domain);
}

// The names of the tensors of a group: "w.0" to "w.7".
inline std::vector<std::string> group_names(const std::string& weight) {
    std::vector<std::string> names;
    for (size_t i = 0; i < kGroupTensors; ++i) names.push_back(weight + "." + std::to_string(i));
    return names;
}

// A node that decodes a group, with its symbols, into `weight`.
inline Proto decode_node(const std::string& weight, const TestGroup& group, const std::string& of_group,
                         const std::string& type = "DecodeWeight") {
    std::vector<std::string> inputs = group_names(of_group);
    inputs.push_back(of_group + ".c");
    inputs.push_back(of_group + ".g");
    const WeightGroup view = group.view();
    return node_proto(kDomain, type, inputs, {weight})
        .message(kNodeAttribute, int_attribute("checksum", view.checksum))
        .message(kNodeAttribute, int_attribute("packet", view.packet))
        .message(kNodeAttribute, int_attribute("group_axis", view.group_axis))
        .message(kNodeAttribute, int_attribute("dtype", view.dtype));
}

// The tensors of a group, as initializers of a graph.
inline void add_group(const std::string& weight, const TestGroup& group, Proto* graph) {
    const auto names = group_names(weight);
    const auto tensors = group.tensors();
    for (size_t i = 0; i < names.size(); ++i) graph->message(kGraphInitializer, tensor_proto(names[i], *tensors[i]));
}

// The node that yields the symbols of a group.
inline Proto symbols_node(const std::string& weight, const std::string& type = "Symbols") {
    return node_proto(kDomain, type, {weight + ".2", weight + ".5", weight + ".3", weight + ".6"},
                      {weight + ".c", weight + ".g"});
}

inline Proto value(std::string_view name) { return Proto().text(kValueName, name); }

inline Proto import_proto(std::string_view domain, uint64_t version) {
    return Proto().text(kImportDomain, domain).number(kImportVersion, version);
}

inline Proto function_proto(std::string_view domain, std::string_view name, const std::vector<Proto>& nodes = {}) {
    Proto function;
    function.text(kFunctionName, name);
    for (const Proto& node : nodes) function.message(kFunctionNode, node);
    return function.text(kFunctionDomain, domain);
}

inline Proto entry_proto(std::string_view key, std::string_view value) {
    return Proto().text(kEntryKey, key).text(kEntryValue, value);
}

// A model of a graph, with functions as onnxdc has them.
inline Proto model_proto(const Proto& graph) {
    return Proto()
        .number(1, 8)
        .message(kModelImport, import_proto("", 17))
        .message(kModelImport, import_proto(kDomain, 1))
        .message(kModelGraph, graph)
        .message(kModelFunction, function_proto(kDomain, "Inner"))
        .message(kModelFunction, function_proto(kDomain, "Symbols", {node_proto(kDomain, "Inner", {}, {})}))
        .message(kModelFunction, function_proto(kDomain, "DecodeWeight"))
        .message(kModelMetadata, entry_proto("onnxdc.origin", "something"))
        .message(kModelMetadata, entry_proto("author", "someone"))
        .text(kUnknown, "of the model");
}

// A graph of y = x * w, w being a compressed weight; what comes before and after it is for the caller.
inline Proto small_graph(const TestGroup& group) {
    Proto graph;
    add_group("w", group, &graph);
    return graph.message(kGraphNode, symbols_node("w"))
        .message(kGraphNode, decode_node("w", group, "w"))
        .message(kGraphNode, node_proto("", "MatMul", {"x", "w"}, {"y"}).text(kUnknown, "of a node"))
        .text(2, "graph")
        .message(kGraphInput, value("x"))
        .message(kGraphOutput, value("y"))
        .message(kGraphValueInfo, value("w.c"))
        .message(kGraphValueInfo, value("w.3"))
        .message(kGraphValueInfo, value("w"))
        .text(kUnknown, "of the graph");
}

}  // namespace onnxdc::expansion
