// The parts of an ONNX model that decide what becomes of its nodes: names, and graphs in graphs. Everything points into
// the bytes of the model.
#pragma once

#include <cstddef>
#include <map>
#include <string_view>
#include <vector>

#include "expand/wire.h"

namespace onnxdc::expansion {

// Numbers of fields, by message, as in onnx.proto.
enum FieldNumber : uint32_t {
    kModelGraph = 7,
    kModelImport = 8,
    kModelMetadata = 14,
    kModelFunction = 25,

    kGraphNode = 1,
    kGraphInitializer = 5,
    kGraphInput = 11,
    kGraphOutput = 12,
    kGraphValueInfo = 13,

    kNodeInput = 1,
    kNodeOutput = 2,
    kNodeType = 4,
    kNodeAttribute = 5,
    kNodeDomain = 7,
    kNodeOverload = 8,

    kAttributeName = 1,
    kAttributeInt = 3,
    kAttributeGraph = 6,
    kAttributeGraphs = 11,
    kAttributeType = 20,
    kAttributeReference = 21,

    kTensorDims = 1,
    kTensorType = 2,
    kTensorFloats = 4,
    kTensorInts = 5,
    kTensorLongs = 7,
    kTensorName = 8,
    kTensorRaw = 9,
    kTensorDoubles = 10,
    kTensorExternal = 13,
    kTensorLocation = 14,

    kFunctionName = 1,
    kFunctionNode = 7,
    kFunctionDomain = 10,
    kFunctionOverload = 13,

    kImportDomain = 1,
    kImportVersion = 2,

    kEntryKey = 1,
    kEntryValue = 2,

    kValueName = 1,
};

inline constexpr std::string_view kDomain = "onnxdc";

struct Graph;
class Payload;

// What becomes of a node: it stays, a weight takes its place, or nothing does.
enum class Fate { keep, decode, drop };

struct Node {
    Bytes message;
    std::string_view type, domain, overload;
    std::vector<std::string_view> inputs, outputs;
    std::vector<Graph> graphs;  // of its attributes, in the order of the file

    Fate fate = Fate::keep;
    size_t weight = 0;  // the number of the weight that takes its place

    bool is_own() const { return domain == kDomain; }
};

struct Tensor {
    Bytes message;
    std::string_view name;
    bool external = false;

    bool dropped = false;
    Payload* moved = nullptr;  // its data, if they are to lie somewhere else than it says
};

// What a name stands for in the graph that gives it its meaning.
struct Definition {
    Tensor* tensor = nullptr;  // of an initializer
    bool is_input = false;     // of the graph: a caller may put something else in the place of an initializer
    size_t uses = 0;           // by nodes that stay, and as outputs of graphs
    bool released = false;     // whether a node that used it is gone
    bool gone = false;         // whether the node that yields it is
};

struct Graph {
    Bytes message;
    std::vector<Node> nodes;
    std::vector<Tensor> initializers;
    std::vector<std::string_view> inputs, outputs;

    Graph* outer = nullptr;  // the graph that it is in
    std::map<std::string_view, Definition> names;
    bool changed = false;  // or one that is in it
};

struct Function {
    Bytes message;
    std::string_view name, domain, overload;
    std::vector<Node> nodes;

    bool dropped = false;
};

struct Model {
    Bytes message;
    Graph graph;
    std::vector<Function> functions;
    uint64_t own_version = 0;  // of the operator set onnxdc that it imports; 0 for none
};

// Reads a model; a Failure where its bytes are damaged, or graphs are nested too deep.
Model parse_model(Bytes message);

// The name of a value that a graph describes.
std::string_view value_name(Bytes value_info);

}  // namespace onnxdc::expansion
