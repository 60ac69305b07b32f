#include "expand/weight.h"

#include <algorithm>
#include <cstring>

#include "decoder/decode.h"
#include "expand/failure.h"

namespace onnxdc::expansion {
namespace {

constexpr uint64_t kBase = 256 * 1000 * 1000;  // bytes that any model may take
constexpr uint64_t kPerByte = 1000;            // and for each byte of its own

constexpr std::string_view kDecoders[] = {"DecodeWeight",    "DecodeDenseWeight", "DecodeGrid",
                                          "DecodeDenseGrid", "DecodeInteger",     "DecodeDenseInteger"};
constexpr const char* kTensorNames[] = {"codebook", "step",      "code_table", "codes",
                                        "low_bits", "gap_table", "gaps",       "extent"};
constexpr size_t kMostInputs = kGroupTensors + 2;  // symbols for codes and for gaps
constexpr uint64_t kIntAttribute = 2;              // AttributeProto.INT

Failure broken_rule(const char* rule, const std::string& detail) {
    return {ONNXDC_BAD_WEIGHT, std::string(rule) + ": " + detail};
}

void check(const Verdict& verdict) {
    if (verdict) throw broken_rule(rule_name(verdict->rule), verdict->detail);
}

// Puts the name of a weight before what is wrong with it.
template <class Body>
void naming(std::string_view name, const Body& body) {
    try {
        body();
    } catch (Failure& failure) {
        failure.text = shown(name) + ": " + failure.text;
        throw;
    }
}

void check_form(const Node& node) {
    const std::string type(node.type);
    if (node.outputs.size() != 1 || node.outputs[0].empty())
        throw Failure{ONNXDC_BAD_MODEL, "expected one output of " + type};
    if (node.inputs.size() > kMostInputs) throw Failure{ONNXDC_BAD_MODEL, "expected at most 10 inputs of " + type};
}

struct Attribute {
    std::string_view name;
    uint64_t type = 0;
    int64_t value = 0;
    bool is_reference = false;
};

Attribute read_attribute(Bytes message) {
    Attribute attribute;
    Field field;
    for (FieldReader fields(message, "an attribute"); fields.next(&field);) {
        if (field.is(kAttributeName, kDelimited)) attribute.name = field.content.text();
        if (field.is(kAttributeType, kVarint)) attribute.type = field.value;
        if (field.is(kAttributeInt, kVarint)) attribute.value = static_cast<int64_t>(field.value);
        if (field.is(kAttributeReference, kDelimited)) attribute.is_reference = field.content.size > 0;
    }
    return attribute;
}

// Fills the attributes of a group. Those that are left out keep what they are.
void read_attributes(const Node& node, WeightGroup* group) {
    struct {
        std::string_view name;
        int64_t* value;
        bool given;
    } known[] = {{"checksum", &group->checksum, false},
                 {"packet", &group->packet, false},
                 {"group_axis", &group->group_axis, false},
                 {"dtype", &group->dtype, false}};
    Field field;
    for (FieldReader fields(node.message, "a node"); fields.next(&field);) {
        if (!field.is(kNodeAttribute, kDelimited)) continue;
        const Attribute attribute = read_attribute(field.content);
        for (auto& one : known) {
            if (one.name != attribute.name) continue;
            if (attribute.type != kIntAttribute || attribute.is_reference || one.given)
                throw Failure{ONNXDC_BAD_MODEL, std::string(one.name) + ": expected one integer"};
            *one.value = attribute.value;
            one.given = true;
        }
    }
    if (!known[0].given) throw broken_rule("checksum", "the attribute is missing");
}

// Two elements of four bits to a byte, the first one in the lower half, as ONNX has them.
void pack_nibbles(uint8_t* elements, size_t count) {
    for (size_t i = 0; i < count; i += 2) {
        const unsigned upper = i + 1 < count ? elements[i + 1] & 15u : 0;
        elements[i / 2] = static_cast<uint8_t>((elements[i] & 15u) | upper << 4);
    }
}

}  // namespace

Budget::Budget(uint64_t limit, uint64_t model_nbytes) : limit_(limit), model_nbytes_(model_nbytes) {}

void Budget::grow(uint64_t nbytes) { model_nbytes_ += nbytes; }

uint64_t Budget::own_limit() const { return kBase + kPerByte * model_nbytes_; }

void Budget::charge(uint64_t nbytes, std::string_view weight) {
    dense_ += nbytes;
    const uint64_t limit = limit_ > 0 ? limit_ : own_limit();
    if (dense_ <= limit) return;
    const std::string rule = " (256 MB and 1,000 for each of its " + std::to_string(model_nbytes_) + " bytes)";
    throw Failure{ONNXDC_LIMIT, shown(weight) + ": expected the weights to take at most " + std::to_string(limit) +
                                    " bytes when they are unpacked" + (limit_ > 0 ? "" : rule) +
                                    "; a larger limit is for a model that you trust"};
}

void Budget::charge_reading(uint64_t nbytes, std::string_view weight) {
    read_ += nbytes;
    if (read_ <= std::max(limit_, own_limit())) return;
    throw Failure{ONNXDC_LIMIT, shown(weight) + ": too many nodes share the tensors of a weight"};
}

bool is_decoder(const Node& node) {
    return node.is_own() && std::find(std::begin(kDecoders), std::end(kDecoders), node.type) != std::end(kDecoders);
}

bool is_symbols(const Node& node) {
    const size_t last = node.type.find_last_not_of("0123456789");
    const std::string_view stem = node.type.substr(0, last == std::string_view::npos ? 0 : last + 1);
    return node.is_own() && (stem == "Symbols" || stem == "SparseSymbols" || stem == "DynamicSymbols");
}

void DenseWeight::read(const Node& node, const std::array<const Tensor*, kGroupTensors>& tensors,
                       ExternalData* external, Budget* budget) {
    naming(node.outputs.empty() ? node.type : node.outputs[0], [&] {
        check_form(node);
        name_ = node.outputs[0];
        read_group(node, tensors, external, budget);
    });
    budget->charge(static_cast<uint64_t>(group_.numel) * element_size(group_.dtype), name_);
}

void DenseWeight::read_group(const Node& node, const std::array<const Tensor*, kGroupTensors>& tensors,
                             ExternalData* external, Budget* budget) {
    WeightGroup group;
    read_attributes(node, &group);
    for (size_t i = 0; i < kGroupTensors; ++i) {
        if (!tensors[i]) throw broken_rule("tensor-type", std::string(kTensorNames[i]) + " is missing or not constant");
        budget->charge_reading(tensors[i]->message.size, name_);
        tensors_.push_back(read_tensor(tensors[i]->message, external));
        if (tensors[i]->external) budget->charge_reading(tensors_.back().bytes.size, name_);
    }
    TensorView* const views[] = {&group.codebook, &group.step,      &group.code_table, &group.codes,
                                 &group.low_bits, &group.gap_table, &group.gaps,       &group.extent};
    for (size_t i = 0; i < kGroupTensors; ++i) *views[i] = tensors_[i].view();
    check(check_group(group, &group_));
}

uint64_t DenseWeight::nbytes() const {
    const auto numel = static_cast<uint64_t>(group_.numel);
    return has_nibbles() ? (numel + 1) / 2 : numel * element_size(group_.dtype);
}

void DenseWeight::write(Scratch* scratch, const Writer& writer) {
    const auto numel = static_cast<size_t>(group_.numel);
    const size_t unpacked = numel * element_size(group_.dtype);
    uint8_t* dense = scratch->at_least(unpacked);
    // The dense form has every element.
    if (group_.has_gaps() || group_.entries == 0) std::memset(dense, 0, unpacked);
    naming(name_, [&] { check(decode_dense(group_, dense)); });
    if (has_nibbles()) pack_nibbles(dense, numel);
    writer({dense, static_cast<size_t>(nbytes())});
    tensors_ = {};
}

}  // namespace onnxdc::expansion
