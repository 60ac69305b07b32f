#include "expand/plan.h"

#include <set>
#include <string>
#include <utility>

#include "expand/failure.h"

namespace onnxdc::expansion {
namespace {

constexpr uint64_t kVersion = 1;                             // of the operator set
constexpr std::string_view kUnreleasedFunction = "Segment";  // in files of versions before the first release

// Calls visit(Graph&) for a graph and all that are in it; the outer ones come first.
template <class Visit>
void for_each_graph(Graph* graph, const Visit& visit) {
    visit(*graph);
    for (Node& node : graph->nodes) {
        for (Graph& inner : node.graphs) for_each_graph(&inner, visit);
    }
}

// Calls visit(const Node&) for nodes and all that are in their graphs, unless they are dropped.
template <class Visit>
void for_each_node_left(const std::vector<Node>& nodes, const Visit& visit) {
    for (const Node& node : nodes) {
        if (node.fate != Fate::keep) continue;
        visit(node);
        for (const Graph& inner : node.graphs) for_each_node_left(inner.nodes, visit);
    }
}

// What a name stands for in a graph; null for what nothing defines.
Definition* find(Graph* graph, std::string_view name) {
    for (; graph; graph = graph->outer) {
        const auto found = graph->names.find(name);
        if (found != graph->names.end()) return &found->second;
    }
    return nullptr;
}

void define_names(Graph* graph) {
    for (Node& node : graph->nodes) {
        for (Graph& inner : node.graphs) inner.outer = graph;
        for (const std::string_view name : node.outputs) {
            if (!name.empty() && !graph->names.try_emplace(name).second)
                throw Failure{ONNXDC_BAD_MODEL, shown(name) + ": two nodes yield this name"};
        }
    }
    for (Tensor& tensor : graph->initializers) {
        Definition& definition = graph->names[tensor.name];
        if (definition.tensor) throw Failure{ONNXDC_BAD_MODEL, shown(tensor.name) + ": two tensors have this name"};
        definition.tensor = &tensor;
    }
    for (const std::string_view name : graph->inputs) graph->names[name].is_input = true;
}

void count_uses(Graph* graph) {
    const auto use = [&](std::string_view name) {
        if (Definition* definition = name.empty() ? nullptr : find(graph, name)) ++definition->uses;
    };
    for (const Node& node : graph->nodes) {
        for (const std::string_view name : node.inputs) use(name);
    }
    for (const std::string_view name : graph->outputs) use(name);
}

// Takes a node away: what it used is used less.
void release_inputs(Graph* graph, const Node& node) {
    for (const std::string_view name : node.inputs) {
        Definition* definition = name.empty() ? nullptr : find(graph, name);
        if (!definition) continue;
        --definition->uses;
        definition->released = true;
    }
}

class Planner {
public:
    Planner(ExternalData* external, Budget* budget) : external_(external), budget_(budget) {}

    void decode_nodes(Graph* graph) {
        for (Node& node : graph->nodes) {
            if (!is_decoder(node)) continue;
            const auto constant = [&](std::string_view name) -> const Tensor* {
                const Definition* definition = name.empty() ? nullptr : find(graph, name);
                return definition && !definition->is_input ? definition->tensor : nullptr;
            };
            weights_.push_back(std::make_unique<DenseWeight>(node, constant, external_, budget_));
            check_name(*graph, node.outputs[0]);
            node.fate = Fate::decode;
            node.weight = weights_.size() - 1;
            release_inputs(graph, node);
        }
    }

    Weights take() { return std::move(weights_); }

private:
    // The weight becomes a tensor of the name that the node yields.
    static void check_name(const Graph& graph, std::string_view name) {
        const Definition& definition = graph.names.at(name);
        if (definition.tensor || definition.is_input)
            throw Failure{ONNXDC_BAD_MODEL,
                          shown(name) + ": a weight is unpacked to this name, which another value has"};
    }

    ExternalData* external_;
    Budget* budget_;
    Weights weights_;
};

// A node that yields symbols goes when nobody reads them any more.
void drop_symbols(Graph* graph) {
    for (Node& node : graph->nodes) {
        if (!is_symbols(node)) continue;
        bool used = false;
        for (const std::string_view name : node.outputs) used |= !name.empty() && graph->names.at(name).uses > 0;
        if (used) continue;
        node.fate = Fate::drop;
        for (const std::string_view name : node.outputs) {
            if (!name.empty()) graph->names.at(name).gone = true;
        }
        release_inputs(graph, node);
    }
}

void drop_tensors(Graph* graph) {
    for (auto& [name, definition] : graph->names) {
        if (definition.tensor && definition.released && definition.uses == 0 && !definition.is_input)
            definition.tensor->dropped = true;
    }
}

bool mark_changes(Graph* graph) {
    for (const Tensor& tensor : graph->initializers) graph->changed |= tensor.dropped;
    for (Node& node : graph->nodes) {
        graph->changed |= node.fate != Fate::keep;
        for (Graph& inner : node.graphs) graph->changed |= mark_changes(&inner);
    }
    return graph->changed;
}

using Call = std::pair<std::string_view, std::string_view>;  // the name of a function, and which of that name

// Functions of onnxdc go unless something that stays calls them, or what it calls does.
void drop_functions(Model* model) {
    std::multimap<Call, Function*> own;
    std::set<Call> called;
    std::vector<Call> open;
    const auto call = [&](const Node& node) {
        const Call to{node.type, node.overload};
        if (node.is_own() && called.insert(to).second) open.push_back(to);
    };
    for_each_node_left(model->graph.nodes, call);
    for (Function& function : model->functions) {
        if (function.domain == kDomain)
            own.insert({{function.name, function.overload}, &function});
        else
            for_each_node_left(function.nodes, call);
    }
    while (!open.empty()) {
        const auto [begin, end] = own.equal_range(open.back());
        open.pop_back();
        for (auto at = begin; at != end; ++at) for_each_node_left(at->second->nodes, call);
    }
    for (auto& [name, function] : own) function->dropped = called.count(name) == 0;
}

bool has_own_nodes(Model* model) {
    bool own = false;
    for_each_graph(&model->graph, [&](const Graph& graph) {
        for (const Node& node : graph.nodes) own |= node.is_own();
    });
    return own;
}

void check_version(const Model& model) {
    for (const Function& function : model.functions) {
        if (function.domain == kDomain && function.name == kUnreleasedFunction)
            throw Failure{ONNXDC_BAD_MODEL, "made by an unreleased onnxdc: compress the original model again"};
    }
    if (model.own_version == kVersion) return;
    throw Failure{ONNXDC_BAD_MODEL, "expected version 1 of the operator set onnxdc, which has nodes, got " +
                                        (model.own_version ? std::to_string(model.own_version) : "none")};
}

}  // namespace

Weights plan_model(Model* model, ExternalData* external, Budget* budget) {
    if (!has_own_nodes(model)) return {};
    check_version(*model);
    Graph* graph = &model->graph;
    for_each_graph(graph, [](Graph& one) { define_names(&one); });
    for_each_graph(graph, [](Graph& one) { count_uses(&one); });
    Planner planner(external, budget);
    for_each_graph(graph, [&](Graph& one) { planner.decode_nodes(&one); });
    Weights weights = planner.take();
    if (weights.empty()) return {};
    for_each_graph(graph, [](Graph& one) { drop_symbols(&one); });
    for_each_graph(graph, [](Graph& one) { drop_tensors(&one); });
    mark_changes(graph);
    drop_functions(model);
    return weights;
}

}  // namespace onnxdc::expansion
