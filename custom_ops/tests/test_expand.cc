// Models in memory: what becomes of them, and of damaged ones.
#include "expand/expand.h"

#include <cmath>
#include <functional>

#include "check.h"
#include "expand/failure.h"
#include "expand/tensor.h"
#include "model_builder.h"

using namespace onnxdc;
using namespace onnxdc::expansion;

namespace {

const std::vector<float> kDense{0, 1.5f, -2, 0, 0, 0, 0, 1.5f, 0, 0};

// The result of expanding: bytes, or how it ended.
struct Outcome {
    onnxdc_result result = ONNXDC_OK;
    std::string text, bytes;
};

// The bytes lie in an allocation of their size, so that AddressSanitizer sees a read beyond it.
Outcome expand(const std::string& model, const Limits& limits = {}) {
    const std::vector<uint8_t> exact(model.begin(), model.end());
    Outcome outcome;
    try {
        const Buffer out = expand_buffer({exact.data(), exact.size()}, limits);
        outcome.bytes.assign(reinterpret_cast<const char*>(out.bytes.get()), out.size);
    } catch (const Failure& failure) {
        outcome.result = failure.result;
        outcome.text = failure.text;
    }
    return outcome;
}

bool fails(const std::string& model, onnxdc_result result, const std::string& text, const Limits& limits = {}) {
    const Outcome outcome = expand(model, limits);
    const bool as_expected = outcome.result == result && outcome.text.find(text) != std::string::npos;
    if (!as_expected) std::fprintf(stderr, "got %d: %s\n", outcome.result, outcome.text.c_str());
    return as_expected;
}

const Tensor* find_tensor(const Graph& graph, std::string_view name) {
    for (const Tensor& tensor : graph.initializers) {
        if (tensor.name == name) return &tensor;
    }
    return nullptr;
}

// What a graph is made of, by their names and types.
std::string contents(const Graph& graph) {
    std::string text;
    for (const Tensor& tensor : graph.initializers) text += std::string(tensor.name) + " ";
    text += "|";
    for (const Node& node : graph.nodes) {
        text += " " + std::string(node.type);
        for (const Graph& inner : node.graphs) text += " (" + contents(inner) + ")";
    }
    return text;
}

std::string contents(const std::string& bytes) {
    const Model model = parse_model(bytes_of(bytes));
    std::string text = contents(model.graph) + " |";
    for (const Function& function : model.functions) text += " " + std::string(function.name);
    return text;
}

// The elements of an initializer, which is plain.
template <class T>
std::vector<T> elements(const Graph& graph, std::string_view name, int32_t type, const std::vector<int64_t>& dims) {
    const Tensor* found = find_tensor(graph, name);
    CHECK(found);
    if (!found) return {};
    const GroupTensor tensor = read_tensor(found->message, nullptr);
    CHECK(tensor.type == type && tensor.dims == dims);
    std::vector<T> values(tensor.bytes.size / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data, tensor.bytes.size);
    return values;
}

void test_a_weight_takes_the_place_of_its_node() {
    const Outcome out = expand(model_proto(small_graph(small_group())).bytes());
    CHECK(out.result == ONNXDC_OK);
    CHECK(contents(out.bytes) == "w | MatMul |");
    const Model model = parse_model(bytes_of(out.bytes));
    CHECK(elements<float>(model.graph, "w", kFloat, {2, 5}) == kDense);
    CHECK(model.own_version == 0);
    for (const char* kept : {"of the model", "of the graph", "of a node", "author"})
        CHECK(out.bytes.find(kept) != std::string::npos);
    for (const char* gone : {"onnxdc", "w.c", "w.3"}) CHECK(out.bytes.find(gone) == std::string::npos);
    // There is nothing left to do.
    CHECK(expand(out.bytes).bytes == out.bytes);
}

void test_all_else_is_copied() {
    const TestGroup group = small_group();
    Proto graph;
    add_group("w", group, &graph);
    graph.message(kGraphNode, symbols_node("w", "SparseSymbols"))
        .message(kGraphNode, node_proto(kDomain, "SparseQuantMatMul", {"x", "w.0"}, {"y"}))
        .message(kGraphInput, value("x"));
    for (const Proto& model : {model_proto(graph), model_proto(Proto().text(kUnknown, "x"))})
        CHECK(expand(model.bytes()).bytes == model.bytes());
    CHECK(expand(Proto().message(kModelGraph, Proto()).bytes()).result == ONNXDC_OK);
}

// A sparse operator on the group "s", the symbols of its codes and others for its gaps.
Proto sparse_node(const std::string& gap_symbols, const std::string& output) {
    std::vector<std::string> inputs{"x"};
    for (const auto& name : group_names("s")) inputs.push_back(name);
    inputs.push_back("s.c");
    inputs.push_back(gap_symbols);
    return node_proto(kDomain, "SparseQuantMatMul", inputs, {output});
}

// A model with the function of that operator, which calls another one of ours.
Proto sparse_model(const Proto& graph) {
    const Proto body = node_proto(kDomain, "DecodeWeight", {}, {"w"});
    return model_proto(graph).message(kModelFunction, function_proto(kDomain, "SparseQuantMatMul", {body}));
}

void test_what_sparse_operators_use_stays() {
    const TestGroup group = small_group();
    Proto graph = small_graph(group);
    add_group("s", group, &graph);
    graph.message(kGraphNode, symbols_node("s", "SparseSymbols")).message(kGraphNode, sparse_node("w.5", "z"));
    const Outcome out = expand(sparse_model(graph).bytes());
    CHECK(contents(out.bytes) ==
          "w.5 w s.0 s.1 s.2 s.3 s.4 s.5 s.6 s.7 | MatMul SparseSymbols SparseQuantMatMul | DecodeWeight "
          "SparseQuantMatMul");
    CHECK(parse_model(bytes_of(out.bytes)).own_version == 1);
    CHECK(out.bytes.find("onnxdc.origin") != std::string::npos);
}

void test_symbols_that_are_read_stay() {
    Proto graph = small_graph(small_group()).message(kGraphOutput, value("w.c"));
    CHECK(contents(expand(model_proto(graph).bytes()).bytes) == "w.2 w.3 w.5 w.6 w | Symbols MatMul | Inner Symbols");
}

void test_functions_of_others_keep_what_they_call() {
    const Proto body = node_proto(kDomain, "Symbols", {}, {"s"});
    const Proto model =
        model_proto(small_graph(small_group())).message(kModelFunction, function_proto("other", "f", {body}));
    const Outcome out = expand(model.bytes());
    CHECK(contents(out.bytes) == "w | MatMul | Inner Symbols f");
    CHECK(parse_model(bytes_of(out.bytes)).own_version == 1);
}

// A node with two graphs, as If has them.
Proto if_node(const Proto& then_graph, const Proto& else_graph) {
    return node_proto("", "If", {"x"}, {"z"})
        .message(kNodeAttribute,
                 Proto().text(kAttributeName, "then").message(kAttributeGraph, then_graph).text(kUnknown, "then"))
        .message(kNodeAttribute, Proto()
                                     .text(kAttributeName, "both")
                                     .message(kAttributeGraphs, then_graph)
                                     .message(kAttributeGraphs, else_graph));
}

void test_graphs_in_graphs() {
    const TestGroup group = small_group();
    const Proto reads_outer = Proto()
                                  .message(kGraphNode, decode_node("v", group, "w"))
                                  .message(kGraphOutput, value("v"))
                                  .text(kUnknown, "of an inner graph");
    const Proto has_own = small_graph(group);
    Proto graph;
    add_group("w", group, &graph);
    graph.message(kGraphNode, symbols_node("w"))
        .message(kGraphNode, if_node(reads_outer, has_own))
        .message(kGraphOutput, value("z"));
    const Outcome out = expand(model_proto(graph).bytes());
    CHECK(contents(out.bytes) == "| If (v |) (v |) (w | MatMul) |");
    CHECK(out.bytes.find("of an inner graph") != std::string::npos);
    const Model model = parse_model(bytes_of(out.bytes));
    CHECK(elements<float>(model.graph.nodes[0].graphs[1], "v", kFloat, {2, 5}) == kDense);
}

void test_what_sparse_operators_of_inner_graphs_use_stays() {
    const TestGroup group = small_group();
    Proto graph = small_graph(group);
    add_group("s", group, &graph);
    const auto branch = [&](const char* output) {
        return Proto().message(kGraphNode, sparse_node("s.g", output)).message(kGraphOutput, value(output));
    };
    graph.message(kGraphNode, symbols_node("s", "SparseSymbols"))
        .message(kGraphNode, if_node(branch("a"), branch("b")))
        .message(kGraphOutput, value("z"));
    const Outcome out = expand(sparse_model(graph).bytes());
    const std::string inner = "(| SparseQuantMatMul)";
    CHECK(contents(out.bytes) == "w s.0 s.1 s.2 s.3 s.4 s.5 s.6 s.7 | MatMul SparseSymbols If " + inner + " " + inner +
                                     " " + inner + " | DecodeWeight SparseQuantMatMul");
    CHECK(parse_model(bytes_of(out.bytes)).own_version == 1);
}

void test_typed_fields() {
    const TestGroup group = small_group();
    const auto tensors = group.tensors();
    Proto graph;
    for (size_t i = 0; i < kGroupTensors; ++i) {
        const TestTensor& tensor = *tensors[i];
        Proto proto;
        std::string dims, values;
        for (const int64_t dim : tensor.dims) append_varint(static_cast<uint64_t>(dim), &dims);
        proto.text(kTensorDims, dims).text(kTensorName, "w." + std::to_string(i));
        proto.number(kTensorType, static_cast<uint64_t>(tensor.type));
        if (tensor.type == kFloat) {
            proto.text(kTensorFloats, text_of(tensor.bytes));
        } else if (tensor.type == kInt64) {
            for (size_t at = 0; at < tensor.bytes.size(); at += 8) append_varint(tensor.bytes[at], &values);
            proto.text(kTensorLongs, values);
        } else {
            for (const uint8_t byte : tensor.bytes) proto.number(kTensorInts, byte);
        }
        graph.message(kGraphInitializer, proto);
    }
    graph.message(kGraphNode, decode_node("w", group, "w")).message(kGraphOutput, value("w"));
    const Outcome out = expand(model_proto(graph).bytes());
    CHECK(elements<float>(parse_model(bytes_of(out.bytes)).graph, "w", kFloat, {2, 5}) == kDense);
}

void test_four_bits() {
    TestGroup group = small_group();
    group.codebook.set(kInt8, {1, 3}, std::vector<int8_t>{0, 7, -8});
    group.dtype = kInt4;
    group.set_shape({9});
    const Outcome out = expand(model_proto(small_graph(group)).bytes());
    const Model model = parse_model(bytes_of(out.bytes));
    const Tensor* tensor = find_tensor(model.graph, "w");
    CHECK(tensor);
    const std::string expected = tensor_proto("w", {kInt4, {9}, {0x70, 0x08, 0, 0x70, 0}, {}}).bytes();
    CHECK(tensor && tensor->message.text() == expected);
}

void test_no_elements() {
    TestGroup group;
    group.set_codebook({1, 1}, {0});
    group.set_extent(0, 0, {0, 3});
    const Outcome out = expand(model_proto(small_graph(group)).bytes());
    CHECK(elements<float>(parse_model(bytes_of(out.bytes)).graph, "w", kFloat, {0, 3}).empty());
    group.set_extent(0, 0, {});
    const Outcome scalar = expand(model_proto(small_graph(group)).bytes());
    CHECK(elements<float>(parse_model(bytes_of(scalar.bytes)).graph, "w", kFloat, {}) == std::vector<float>{0});
}

void test_limits() {
    const std::string model = model_proto(small_graph(small_group())).bytes();
    CHECK(expand(model, {40, 1 << 20}).result == ONNXDC_OK);
    CHECK(fails(model, ONNXDC_LIMIT, "w: expected the weights to take at most 39 bytes", {39, 1 << 20}));
    CHECK(fails(model, ONNXDC_TOO_LARGE, "expected at most 100", {0, 100}));
    // A few bytes that say that they are two gigabytes.
    TestGroup group;
    group.set_codebook({1, 1}, {0});
    group.set_extent(0, 0, {(int64_t{1} << 31) - 1});
    CHECK(fails(model_proto(small_graph(group)).bytes(), ONNXDC_LIMIT, "w: expected the weights"));
}

void test_rules_are_named() {
    TestGroup group = small_group();
    group.right_checksum = false;
    CHECK(fails(model_proto(small_graph(group)).bytes(), ONNXDC_BAD_WEIGHT, "w: checksum: the CRC-32 is"));
    group = small_group();
    group.set_shape({2, 3});
    CHECK(fails(model_proto(small_graph(group)).bytes(), ONNXDC_BAD_WEIGHT, "w: position: the last entry"));
    group.extent.dims = {5};
    CHECK(fails(model_proto(small_graph(group)).bytes(), ONNXDC_BAD_WEIGHT, "w: tensor-type: w.7: expected 40 bytes"));
    group.extent.dims = {-1};
    CHECK(fails(model_proto(small_graph(group)).bytes(), ONNXDC_BAD_WEIGHT, "w: tensor-type: w.7: dimension -1"));
    group.extent.dims = {int64_t{1} << 40, int64_t{1} << 40};
    CHECK(fails(model_proto(small_graph(group)).bytes(), ONNXDC_BAD_WEIGHT, "w: tensor-type: w.7: more elements"));
    group = small_group();
    group.codebook.type = 8;  // texts
    CHECK(fails(model_proto(small_graph(group)).bytes(), ONNXDC_BAD_WEIGHT, "w: codebook-type"));
    group.codebook.type = kUint4;
    CHECK(fails(model_proto(small_graph(group)).bytes(), ONNXDC_BAD_WEIGHT, "w: codebook-type"));
}

void test_nodes_that_are_wrong() {
    const TestGroup group = small_group();
    const auto with = [&](const Proto& node) {
        Proto graph;
        add_group("w", group, &graph);
        return model_proto(graph.message(kGraphNode, node)).bytes();
    };
    const auto names = group_names("w");
    CHECK(fails(with(node_proto(kDomain, "DecodeWeight", names, {"v"})), ONNXDC_BAD_WEIGHT, "v: checksum: the attr"));
    CHECK(fails(with(decode_node("v", group, "w").text(kNodeOutput, "u")), ONNXDC_BAD_MODEL, "expected one output"));
    CHECK(fails(with(decode_node("", group, "w")), ONNXDC_BAD_MODEL, "expected one output"));
    CHECK(fails(with(decode_node("v", group, "w").text(kNodeInput, "x")), ONNXDC_BAD_MODEL, "at most 10 inputs"));
    CHECK(fails(with(decode_node("v", group, "u")), ONNXDC_BAD_WEIGHT, "v: tensor-type: codebook is missing or not"));
    CHECK(fails(with(decode_node("w.1", group, "w")), ONNXDC_BAD_MODEL, "w.1: a weight is unpacked to this name"));
    CHECK(fails(
        with(node_proto(kDomain, "DecodeGrid", {"w.0"}, {"v"}).message(kNodeAttribute, int_attribute("checksum", 0))),
        ONNXDC_BAD_WEIGHT, "v: tensor-type: step is missing"));
    CHECK(fails(with(decode_node("v", group, "w").message(kNodeAttribute, int_attribute("dtype", 1))), ONNXDC_BAD_MODEL,
                "v: dtype: expected one integer"));
    const Proto reference = int_attribute("packet", 8).text(kAttributeReference, "other");
    CHECK(fails(with(node_proto(kDomain, "DecodeWeight", names, {"v"}).message(kNodeAttribute, reference)),
                ONNXDC_BAD_MODEL, "v: packet: expected one integer"));
}

void test_models_that_are_wrong() {
    const TestGroup group = small_group();
    const Proto graph = small_graph(group);
    const auto model = [&](uint64_t version) {
        return Proto().message(kModelImport, import_proto(kDomain, version)).message(kModelGraph, graph);
    };
    CHECK(expand(model(1).bytes()).result == ONNXDC_OK);
    CHECK(fails(model(2).bytes(), ONNXDC_BAD_MODEL,
                "expected version 1 of the operator set onnxdc, which has nodes, got 2"));
    CHECK(fails(Proto().message(kModelGraph, graph).bytes(), ONNXDC_BAD_MODEL, "got none"));
    CHECK(fails(model(1).message(kModelFunction, function_proto(kDomain, "Segment")).bytes(), ONNXDC_BAD_MODEL,
                "made by an unreleased onnxdc"));
    CHECK(fails(model(1).message(kModelGraph, graph).bytes(), ONNXDC_BAD_MODEL, "two graphs"));
    CHECK(fails("", ONNXDC_BAD_MODEL, "no graph"));
    CHECK(fails("no model", ONNXDC_BAD_MODEL, "no ONNX model"));
    Proto two_names = graph;
    CHECK(fails(model_proto(two_names.message(kGraphNode, node_proto("", "Relu", {"y"}, {"y"}))).bytes(),
                ONNXDC_BAD_MODEL, "y: two nodes yield this name"));
    Proto two_tensors = graph;
    add_group("w", group, &two_tensors);
    CHECK(fails(model_proto(two_tensors).bytes(), ONNXDC_BAD_MODEL, "w.0: two tensors have this name"));
    Proto given = graph;
    CHECK(fails(model_proto(given.message(kGraphInput, value("w.3"))).bytes(), ONNXDC_BAD_WEIGHT,
                "w: tensor-type: codes is missing or not constant"));
    Proto external;
    external.message(kGraphInitializer, Proto().text(kTensorName, "e").number(kTensorLocation, 1))
        .message(kGraphNode, decode_node("v", group, "w"));
    for (const auto& name : group_names("w"))
        external.message(kGraphInitializer,
                         Proto().text(kTensorName, name).number(kTensorType, kFloat).number(kTensorLocation, 1));
    CHECK(fails(model_proto(external).bytes(), ONNXDC_EXTERNAL_DATA, "v: w.0: its data lie outside of the model"));
}

void test_nesting() {
    const auto nested = [](int depth) {
        Proto graph = small_graph(small_group());
        for (int i = 0; i < depth; ++i) graph = Proto().message(kGraphNode, if_node(graph, Proto()));
        return model_proto(graph).bytes();
    };
    CHECK(expand(nested(5)).result == ONNXDC_OK);
    // Each level only begins: they are too many before they are found to be cut off.
    const std::string graph_in_graph = "\x0a\x7f\x2a\x7f\x32\x7f";
    std::string bomb = Proto().text(kModelGraph, std::string(200000, 'x')).bytes().substr(0, 4);
    for (int i = 0; i < 100000; ++i) bomb += graph_in_graph;
    CHECK(expand(bomb).result == ONNXDC_BAD_MODEL);
    Proto deep;
    for (int i = 0; i < 200; ++i)
        deep = Proto().message(kGraphNode, Proto().message(kNodeAttribute, Proto().message(kAttributeGraph, deep)));
    CHECK(fails(model_proto(deep).bytes(), ONNXDC_BAD_MODEL, "too many graphs in graphs"));
    Proto twice;
    twice.message(
        kGraphNode,
        Proto().message(kNodeAttribute, Proto().message(kAttributeGraph, Proto()).message(kAttributeGraph, Proto())));
    CHECK(fails(model_proto(twice).bytes(), ONNXDC_BAD_MODEL, "an attribute has two graphs"));
}

std::string model_for_damage() {
    Proto graph = small_graph(small_group());
    return model_proto(graph.message(kGraphNode, if_node(Proto(), small_graph(small_group())))).bytes();
}

// Whatever is cut off or changed, it ends in a model or in an error.
void test_cut_at_every_byte() {
    const std::string model = model_for_damage();
    CHECK(expand(model).result == ONNXDC_OK);
    for (size_t size = 0; size < model.size(); ++size) {
        const Outcome out = expand(model.substr(0, size));
        CHECK((out.result == ONNXDC_OK) == out.text.empty());
    }
}

void test_every_byte_changed() {
    const std::string model = model_for_damage();
    for (size_t at = 0; at < model.size(); ++at) {
        for (const int change : {0x01, 0x80, 0xff, 0x08}) {
            std::string damaged = model;
            damaged[at] = static_cast<char>(damaged[at] ^ change);
            const Outcome out = expand(damaged);
            CHECK((out.result == ONNXDC_OK) == out.text.empty());
        }
    }
}

}  // namespace

int main() {
    test_a_weight_takes_the_place_of_its_node();
    test_all_else_is_copied();
    test_what_sparse_operators_use_stays();
    test_symbols_that_are_read_stay();
    test_functions_of_others_keep_what_they_call();
    test_graphs_in_graphs();
    test_what_sparse_operators_of_inner_graphs_use_stays();
    test_typed_fields();
    test_four_bits();
    test_no_elements();
    test_limits();
    test_rules_are_named();
    test_nodes_that_are_wrong();
    test_models_that_are_wrong();
    test_nesting();
    test_cut_at_every_byte();
    test_every_byte_changed();
    return check::finish();
}
