// Any model: it is expanded, or what is wrong with it is said in one line. The bytes are a weight group, of which a
// model is made, and changes to the bytes of that model; or, where these begin with kWhole, a model.
#include "expand/expand.h"
#include "expand/failure.h"
#include "fuzz/group_input.h"
#include "tests/model_builder.h"

using namespace onnxdc;
using namespace onnxdc::expansion;
using fuzz::GroupInput;
using fuzz::Input;

namespace {

constexpr uint8_t kWhole = 0xff;
constexpr uint64_t kMaxDenseBytes = uint64_t{1} << 22;  // clearing more takes longer than all else

constexpr const char* kDecoders[] = {"DecodeWeight",    "DecodeDenseWeight", "DecodeGrid",
                                     "DecodeDenseGrid", "DecodeInteger",     "DecodeDenseInteger",
                                     "Symbols",         "SparseSymbols2",    "DynamicSymbols"};

// The weight is used in the graph and in an inner one, and by a sparse operator if `choices` says so.
std::string model_of(const TestGroup& group, uint8_t choices) {
    Proto inner = small_graph(group);
    Proto graph = small_graph(group);
    graph.message(kGraphNode, decode_node("v", group, "w", kDecoders[choices & 7]));
    graph.message(kGraphNode, node_proto("", "If", {"v"}, {"z"})
                                  .message(kNodeAttribute, Proto().message(kAttributeGraph, inner))
                                  .message(kNodeAttribute, Proto().message(kAttributeGraphs, graph)));
    if (choices & 8) graph.message(kGraphNode, node_proto(kDomain, "SparseQuantMatMul", {"x", "w.0", "w.c"}, {"u"}));
    if (choices & 16) graph.message(kGraphOutput, value("v"));
    return model_proto(graph).bytes();
}

// Changes some bytes, or cuts them off, or takes some out.
void change(Input changes, std::string* model) {
    while (changes.left() > 0 && !model->empty()) {
        const auto kind = changes.byte();
        const size_t at = static_cast<size_t>(changes.number(2)) % model->size();
        if (kind % 8 == 0)
            model->resize(at);
        else if (kind % 8 == 1)
            model->erase(at, changes.byte());
        else
            (*model)[at] = static_cast<char>(changes.byte());
    }
}

// The bytes of what a model becomes, in an allocation of their size. None if something is wrong with it.
bool expand(const std::string& model, std::string* out) {
    const std::unique_ptr<uint8_t[]> exact(new uint8_t[model.size()]);
    if (!model.empty()) std::memcpy(exact.get(), model.data(), model.size());
    try {
        const Buffer buffer = expand_buffer({exact.get(), model.size()}, {kMaxDenseBytes, uint64_t{1} << 24});
        out->assign(reinterpret_cast<const char*>(buffer.bytes.get()), buffer.size);
        return true;
    } catch (const Failure& failure) {
        REQUIRE(failure.result != ONNXDC_OK && !failure.text.empty());
        for (const char character : failure.text) REQUIRE(character >= ' ' && character <= '~');
        return false;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const GroupInput input(data, size);
    const std::vector<uint8_t>& rest = input.rest;
    std::string model;
    if (!rest.empty() && rest[0] == kWhole) {
        model.assign(rest.begin() + 1, rest.end());
    } else {
        Input changes(rest.data(), rest.size());
        model = model_of(input.group(), changes.byte());
        change(changes, &model);
    }
    std::string once, twice;
    if (!expand(model, &once)) return 0;
    // There is nothing left to do.
    REQUIRE(expand(once, &twice) && once == twice);
    return 0;
}

ONNXDC_MUTATE_GROUPS
