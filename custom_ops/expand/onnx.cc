#include "expand/onnx.h"

#include <string>
#include <utility>

#include "expand/failure.h"

namespace onnxdc::expansion {
namespace {

// Graphs in graphs: each takes three messages, and the runtime reads a hundred that are nested, so no model that it
// opens has more.
constexpr int kMaxDepth = 33;

Graph parse_graph(Bytes message, int depth);

void parse_attribute(Bytes message, int depth, std::vector<Graph>* graphs) {
    Field field;
    bool has_graph = false;
    for (FieldReader fields(message, "an attribute"); fields.next(&field);) {
        const bool single = field.is(kAttributeGraph, kDelimited);
        if (!single && !field.is(kAttributeGraphs, kDelimited)) continue;
        // Protocol buffers put two into one; nobody writes that.
        if (single && std::exchange(has_graph, true))
            throw Failure{ONNXDC_BAD_MODEL, "no ONNX model: an attribute has two graphs"};
        graphs->push_back(parse_graph(field.content, depth + 1));
    }
}

Node parse_node(Bytes message, int depth) {
    Node node;
    node.message = message;
    Field field;
    for (FieldReader fields(message, "a node"); fields.next(&field);) {
        if (field.wire != kDelimited) continue;
        switch (field.number) {
            case kNodeInput: node.inputs.push_back(field.content.text()); break;
            case kNodeOutput: node.outputs.push_back(field.content.text()); break;
            case kNodeType: node.type = field.content.text(); break;
            case kNodeDomain: node.domain = field.content.text(); break;
            case kNodeOverload: node.overload = field.content.text(); break;
            case kNodeAttribute: parse_attribute(field.content, depth, &node.graphs); break;
            default: break;
        }
    }
    return node;
}

Tensor parse_initializer(Bytes message) {
    Tensor tensor;
    tensor.message = message;
    Field field;
    for (FieldReader fields(message, "a tensor"); fields.next(&field);) {
        if (field.is(kTensorName, kDelimited)) tensor.name = field.content.text();
        if (field.is(kTensorLocation, kVarint)) tensor.external = field.value == 1;
    }
    return tensor;
}

Graph parse_graph(Bytes message, int depth) {
    if (depth > kMaxDepth) throw Failure{ONNXDC_BAD_MODEL, "no ONNX model: too many graphs in graphs"};
    Graph graph;
    graph.message = message;
    Field field;
    for (FieldReader fields(message, "a graph"); fields.next(&field);) {
        if (field.wire != kDelimited) continue;
        switch (field.number) {
            case kGraphNode: graph.nodes.push_back(parse_node(field.content, depth)); break;
            case kGraphInitializer: graph.initializers.push_back(parse_initializer(field.content)); break;
            case kGraphInput: graph.inputs.push_back(value_name(field.content)); break;
            case kGraphOutput: graph.outputs.push_back(value_name(field.content)); break;
            default: break;
        }
    }
    return graph;
}

Function parse_function(Bytes message) {
    Function function;
    function.message = message;
    Field field;
    for (FieldReader fields(message, "a function"); fields.next(&field);) {
        if (field.wire != kDelimited) continue;
        switch (field.number) {
            case kFunctionName: function.name = field.content.text(); break;
            case kFunctionDomain: function.domain = field.content.text(); break;
            case kFunctionOverload: function.overload = field.content.text(); break;
            case kFunctionNode: function.nodes.push_back(parse_node(field.content, 1)); break;
            default: break;
        }
    }
    return function;
}

void parse_import(Bytes message, Model* model) {
    std::string_view domain;
    uint64_t version = 0;
    Field field;
    for (FieldReader fields(message, "an operator set"); fields.next(&field);) {
        if (field.is(kImportDomain, kDelimited)) domain = field.content.text();
        if (field.is(kImportVersion, kVarint)) version = field.value;
    }
    if (domain == kDomain) model->own_version = version;
}

}  // namespace

std::string_view value_name(Bytes value_info) {
    std::string_view name;
    Field field;
    for (FieldReader fields(value_info, "a value"); fields.next(&field);) {
        if (field.is(kValueName, kDelimited)) name = field.content.text();
    }
    return name;
}

Model parse_model(Bytes message) {
    Model model;
    model.message = message;
    bool has_graph = false;
    Field field;
    for (FieldReader fields(message, "the file"); fields.next(&field);) {
        if (field.wire != kDelimited) continue;
        switch (field.number) {
            case kModelGraph:
                if (std::exchange(has_graph, true))
                    throw Failure{ONNXDC_BAD_MODEL, "no ONNX model: the file has two graphs"};
                model.graph = parse_graph(field.content, 0);
                break;
            case kModelFunction: model.functions.push_back(parse_function(field.content)); break;
            case kModelImport: parse_import(field.content, &model); break;
            default: break;
        }
    }
    if (!has_graph) throw Failure{ONNXDC_BAD_MODEL, "no ONNX model: the file has no graph"};
    return model;
}

}  // namespace onnxdc::expansion
