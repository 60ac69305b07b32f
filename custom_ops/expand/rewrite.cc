#include "expand/rewrite.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace onnxdc::expansion {
namespace {

constexpr std::string_view kOrigin = "onnxdc.origin";  // metadata of the compressed form
constexpr uint64_t kExternal = 1;                      // TensorProto.EXTERNAL
constexpr uint64_t kAlignment = 4096;                  // so that the runtime can map the data

class Rewriter {
public:
    Rewriter(const Weights& weights, Keeper* keeper, DataLayout* data)
        : weights_(weights), keeper_(keeper), data_(data) {}

    Message model(const Model& model) {
        const bool plain = !weights_.empty() && !has_own_nodes(model);
        size_t function = 0;
        Message out(keeper_);
        Field field;
        for (FieldReader fields(model.message, "the file"); fields.next(&field);) {
            if (field.is(kModelGraph, kDelimited)) {
                out.add_message(kModelGraph, graph(model.graph));
            } else if (field.is(kModelFunction, kDelimited)) {
                if (!model.functions[function++].dropped) out.add(field.whole);
            } else if (!plain || !is_of_domain(field)) {
                out.add(field.whole);
            }
        }
        return out;
    }

private:
    // Whether something of the domain is left that needs its operator set.
    static bool has_own_nodes(const Model& model) {
        return has_own_nodes(model.graph.nodes) ||
               std::any_of(model.functions.begin(), model.functions.end(), [](const Function& function) {
                   return !function.dropped && (function.domain == kDomain || has_own_nodes(function.nodes));
               });
    }

    static bool has_own_nodes(const std::vector<Node>& nodes) {
        return std::any_of(nodes.begin(), nodes.end(), [](const Node& node) {
            return node.fate == Fate::keep &&
                   (node.is_own() || std::any_of(node.graphs.begin(), node.graphs.end(),
                                                 [](const Graph& inner) { return has_own_nodes(inner.nodes); }));
        });
    }

    // Whether a field of a model is the import of the domain, or what it keeps of the original model.
    static bool is_of_domain(const Field& of_model) {
        const bool import = of_model.is(kModelImport, kDelimited);
        if (!import && !of_model.is(kModelMetadata, kDelimited)) return false;
        std::string_view first;
        Field field;
        for (FieldReader fields(of_model.content, "an entry"); fields.next(&field);) {
            if (field.is(import ? kImportDomain : kEntryKey, kDelimited)) first = field.content.text();
        }
        return first == (import ? kDomain : kOrigin);
    }

    Message graph(const Graph& graph) {
        size_t node_number = 0, tensor_number = 0;
        Message out(keeper_);
        Field field;
        for (FieldReader fields(graph.message, "a graph"); fields.next(&field);) {
            if (field.is(kGraphNode, kDelimited)) {
                add_node(graph.nodes[node_number++], field, &out);
            } else if (field.is(kGraphInitializer, kDelimited)) {
                add_tensor(graph.initializers[tensor_number++], field, &out);
            } else if (!field.is(kGraphValueInfo, kDelimited) || !is_gone(graph, value_name(field.content))) {
                out.add(field.whole);
            }
        }
        return out;
    }

    // Whether a name is one that nothing in the graph has any more.
    static bool is_gone(const Graph& graph, std::string_view name) {
        const auto found = graph.names.find(name);
        if (found == graph.names.end()) return false;
        return found->second.gone || (found->second.tensor && found->second.tensor->dropped);
    }

    void add_node(const Node& node, const Field& field, Message* out) {
        if (node.fate == Fate::decode)
            out->add_message(kGraphInitializer, weight(*weights_[node.weight]));
        else if (node.fate == Fate::keep && !has_changes(node))
            out->add(field.whole);
        else if (node.fate == Fate::keep)
            out->add_message(kGraphNode, this->node(node));
    }

    static bool has_changes(const Node& node) {
        return std::any_of(node.graphs.begin(), node.graphs.end(), [](const Graph& inner) { return inner.changed; });
    }

    Message node(const Node& node) {
        auto next_graph = node.graphs.begin();
        Message out(keeper_);
        Field field;
        for (FieldReader fields(node.message, "a node"); fields.next(&field);) {
            if (field.is(kNodeAttribute, kDelimited))
                out.add_message(kNodeAttribute, attribute(field.content, &next_graph));
            else
                out.add(field.whole);
        }
        return out;
    }

    Message attribute(Bytes message, std::vector<Graph>::const_iterator* next_graph) {
        Message out(keeper_);
        Field field;
        for (FieldReader fields(message, "an attribute"); fields.next(&field);) {
            if (field.is(kAttributeGraph, kDelimited) || field.is(kAttributeGraphs, kDelimited))
                out.add_message(field.number, graph(*(*next_graph)++));
            else
                out.add(field.whole);
        }
        return out;
    }

    void add_tensor(const Tensor& tensor, const Field& field, Message* out) {
        if (tensor.moved)
            out->add_message(kGraphInitializer, moved_tensor(tensor));
        else if (!tensor.dropped)
            out->add(field.whole);
    }

    Message weight(DenseWeight& weight) {
        std::string head;
        for (const int64_t dim : weight.dims()) append_number(kTensorDims, static_cast<uint64_t>(dim), &head);
        append_number(kTensorType, static_cast<uint64_t>(weight.type()), &head);
        append_text(kTensorName, weight.name(), &head);
        Message out(keeper_);
        out.add(std::move(head));
        add_data(&weight, &out);
        return out;
    }

    Message moved_tensor(const Tensor& tensor) {
        Message out(keeper_);
        Field field;
        for (FieldReader fields(tensor.message, "a tensor"); fields.next(&field);) {
            if (field.number != kTensorExternal && field.number != kTensorLocation && field.number != kTensorRaw)
                out.add(field.whole);
        }
        add_data(tensor.moved, &out);
        return out;
    }

    // Adds the bytes of a tensor, or where they lie.
    void add_data(Payload* payload, Message* tensor) {
        if (data_->file.empty() || payload->nbytes() == 0) {
            tensor->add_payload(kTensorRaw, payload);
            return;
        }
        const uint64_t offset = (data_end_ + kAlignment - 1) / kAlignment * kAlignment;
        data_->parts.push_back({payload, offset});
        data_end_ = offset + payload->nbytes();
        std::string location;
        const std::pair<const char*, std::string> entries[] = {
            {"location", data_->file},
            {"offset", std::to_string(offset)},
            {"length", std::to_string(payload->nbytes())},
        };
        for (const auto& [key, value] : entries) {
            std::string entry;
            append_text(kEntryKey, key, &entry);
            append_text(kEntryValue, value, &entry);
            append_text(kTensorExternal, entry, &location);
        }
        append_number(kTensorLocation, kExternal, &location);
        tensor->add(std::move(location));
    }

    const Weights& weights_;
    Keeper* keeper_;
    DataLayout* data_;
    uint64_t data_end_ = 0;
};

}  // namespace

Message rewrite_model(const Model& model, const Weights& weights, Keeper* keeper, DataLayout* data) {
    data->parts.clear();
    return Rewriter(weights, keeper, data).model(model);
}

}  // namespace onnxdc::expansion
