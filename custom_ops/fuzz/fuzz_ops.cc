// Any node of the domain: a weight group, attributes and inputs, in one of the instruction sets, as onnxruntime would
// hand them over. Kernels are created and run, or say in one line why not, and give back all that they hold.
#include <cmath>
#include <cstdlib>

#include "fuzz/group_input.h"
#include "isa/isa.h"
#include "ops/weight_input.h"
#include "tests/fake_runtime.h"

using namespace onnxdc;
using fuzz::GroupInput;
using fuzz::Input;

namespace {

constexpr int64_t kMaxInputElements = 1 << 14;
constexpr int64_t kMaxWeightElements = 1 << 18;  // of a claimed shape: the time of a run, not its safety
constexpr int64_t kMaxProducts = 1 << 22;

int64_t number_of(Input* input) {
    constexpr int64_t kEdges[] = {-1, 0, 1, 1 << 30, (int64_t{1} << 31) - 1, int64_t{1} << 31, INT64_MAX, INT64_MIN};
    return input->one_in(12) ? kEdges[input->any(0, 7)] : input->any(0, 5);
}

OrtKernelInfo::Attribute value_of(Input* input, const std::string& name, size_t spatial_rank) {
    constexpr float kFloats[] = {0.0f, 1.0f, -1.0f, 0.5f, 1e38f};
    const char* const pads[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", "", "\n\x1b[31msame"};
    const int64_t kind = input->one_in(20) ? input->any(0, 3) : -1;  // at times of another type
    if (kind == 0 || name == "alpha" || name == "beta" || name == "slope") return kFloats[input->any(0, 4)];
    if (kind == 1 || name == "auto_pad") return std::string(pads[input->any(0, 5)]);
    if (kind == 2 || name == "group" || name == "axis" || name.compare(0, 5, "trans") == 0) return number_of(input);
    std::vector<int64_t> values;
    const size_t right = name == "pads" ? 2 * spatial_rank : spatial_rank;
    const size_t count = input->one_in(16) ? static_cast<size_t>(input->any(0, 7)) : right;
    for (size_t i = 0; i < count; ++i) values.push_back(number_of(input));
    return values;
}

// Of dimensions of 0 or more; no more than INT64_MAX.
int64_t product_of(const std::vector<int64_t>& dims) {
    int64_t product = 1;
    for (const int64_t dim : dims) {
        if (__builtin_mul_overflow(product, dim, &product)) product = INT64_MAX;
    }
    return std::find(dims.begin(), dims.end(), 0) == dims.end() ? product : 0;
}

// Small integers, most of a shape near what fits the weight.
OrtValue tensor_of(Input* input, int32_t type, const std::vector<int64_t>& near) {
    std::vector<int64_t> dims = near;
    if (input->one_in(8)) dims.resize(static_cast<size_t>(input->any(0, 6)), 1);
    for (int64_t& dim : dims) {
        if (input->one_in(10)) dim = input->any(0, 20);
    }
    while (product_of(dims) > kMaxInputElements) *std::max_element(dims.begin(), dims.end()) = 1;
    OrtValue value{type, dims, std::vector<uint8_t>(static_cast<size_t>(product_of(dims)) * element_size(type))};
    for (int64_t i = 0; i < product_of(dims); ++i) {
        const int number = static_cast<int8_t>(input->byte()) / 4;
        const auto at = value.bytes.data() + static_cast<size_t>(i) * element_size(type);
        const float real = static_cast<float>(number);
        const int64_t wide = number;
        const auto narrow = static_cast<int32_t>(number);
        const void* const from = type == kFloat   ? static_cast<const void*>(&real)
                                 : type == kInt64 ? static_cast<const void*>(&wide)
                                                  : &narrow;
        std::memcpy(at, from, element_size(type));
    }
    return value;
}

struct Node {
    const OrtCustomOp* op;
    std::string name;
    size_t first;                // input of the group
    std::vector<int64_t> shape;  // of the weight

    // Whether it is of a kind, on floats or on integers.
    bool is(const char* kind) const { return name.find(kind) != std::string::npos; }
};

// Shapes that fit the node: of what comes before the group, or after it, in the order of the inputs.
std::vector<int64_t> fitting(const Node& node, size_t input_index, Input* input) {
    const auto dim = [&](size_t axis) {
        return axis < node.shape.size() ? std::clamp<int64_t>(node.shape[axis], 0, 4096) : 1;
    };
    const int64_t m = input->any(0, 20);
    if (node.is("Gather")) return {m % 4, 2};
    if (node.is("Conv")) {
        std::vector<int64_t> dims{input->any(0, 3), dim(1)};
        for (size_t axis = 2; axis < node.shape.size(); ++axis) dims.push_back(input->any(0, 12));
        if (input_index == 0) return dims;
        if (input_index == kGroupInputs + 1) return {dim(0)};
        dims[1] = dim(0);
        return input_index == kGroupInputs + 2 ? dims : std::vector<int64_t>{};
    }
    if (input_index == 0)
        return node.is("MatMul") ? std::vector<int64_t>{2, m, dim(0)} : std::vector<int64_t>{m, dim(0)};
    return input_index == kGroupInputs + 1 ? std::vector<int64_t>{dim(1)} : std::vector<int64_t>{};
}

// The values of all inputs but the group's, and whether each is there.
struct Inputs {
    std::vector<OrtValue> values;
    std::vector<bool> present;
};

Inputs read_inputs(Input* input, const Node& node, size_t count) {
    Inputs inputs;
    for (size_t i = 0; i < count; ++i) {
        const bool of_group = i >= node.first && i < node.first + kGroupInputs;
        if (of_group) continue;
        const int32_t type = !node.is("Gather") ? kFloat : input->one_in(2) ? kInt32 : kInt64;
        const bool optional = node.op->GetInputCharacteristic(node.op, i) == kOrtOptional;
        inputs.values.push_back(tensor_of(input, type, fitting(node, i, input)));
        inputs.present.push_back(!optional || !input->one_in(3));
    }
    return inputs;
}

// Of the inputs of a group; the last two are left out.
const OrtValue* tensor_at(const std::vector<OrtValue>& group, size_t index) {
    return index < group.size() ? &group[index] : nullptr;
}

OrtKernelContext context_of(const Node& node, const std::vector<OrtValue>& group, const Inputs& inputs) {
    OrtKernelContext context;
    size_t next = 0;
    for (size_t i = 0; i < kGroupInputs + inputs.values.size(); ++i) {
        if (i >= node.first && i < node.first + kGroupInputs) {
            context.inputs.push_back(tensor_at(group, i - node.first));
        } else {
            context.inputs.push_back(inputs.present[next] ? &inputs.values[next] : nullptr);
            ++next;
        }
    }
    return context;
}

// The same bits, but for those of NaNs.
bool same_numbers(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); i += sizeof(float)) {
        float left, right;
        std::memcpy(&left, a.data() + i, sizeof left);
        std::memcpy(&right, b.data() + i, sizeof right);
        const bool both_nan = std::isnan(left) && std::isnan(right);
        if (!both_nan && std::memcmp(&left, &right, sizeof left) != 0) return false;
    }
    return true;
}

void require_one_line(const std::string& message) {
    REQUIRE(!message.empty() && message.size() < 1100);
    for (const char c : message) REQUIRE(static_cast<unsigned char>(c) >= 32 && c != 127);
}

std::vector<const OrtCustomOp*> ops_with_weights() {
    std::vector<const OrtCustomOp*> ops = fake::registered_ops();
    const auto has_none = [](const OrtCustomOp* op) {
        const std::string name = op->GetName(op);
        return name.rfind("SparseQuant", 0) != 0 && name.rfind("SparseDynamic", 0) != 0;
    };
    ops.erase(std::remove_if(ops.begin(), ops.end(), has_none), ops.end());
    return ops;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const std::vector<const OrtCustomOp*> ops = ops_with_weights();
    static const std::vector<Isa> isas = supported_isas();
    const GroupInput group_input(data, size);
    Input input(group_input.rest.data(), group_input.rest.size());
    setenv("ONNXDC_ISA", isa_name(isas[static_cast<size_t>(input.any(0, static_cast<int64_t>(isas.size()) - 1))]), 1);

    TestGroup test = group_input.group();
    const WeightGroup view = test.view();
    std::vector<OrtValue> group;
    for (const TestTensor* tensor : test.tensors()) group.push_back({tensor->type, tensor->dims, tensor->bytes});
    Node node;
    node.op = ops[static_cast<size_t>(input.byte()) % ops.size()];
    node.name = node.op->GetName(node.op);
    node.first = node.is("Gather") ? 0 : 1;
    node.shape.resize(test.extent.bytes.size() / sizeof(int64_t));
    if (!node.shape.empty()) std::memcpy(node.shape.data(), test.extent.bytes.data(), test.extent.bytes.size());
    node.shape.erase(node.shape.begin(),
                     node.shape.begin() + std::min<std::ptrdiff_t>(2, node.shape.end() - node.shape.begin()));

    OrtKernelInfo info;
    info.name = std::string(static_cast<size_t>(input.one_in(16) ? 2000 : 4), static_cast<char>(input.any(1, 127)));
    const size_t count = node.op->GetInputTypeCount(node.op);
    for (size_t i = 0; i < count; ++i) {
        const bool of_group = i >= node.first && i < node.first + kGroupInputs;
        info.inputs.push_back({of_group ? "w.codebook" : "x", of_group ? tensor_at(group, i - node.first) : nullptr});
    }
    info.attributes["checksum"] = view.checksum;
    info.attributes["packet"] = test.packet;
    info.attributes["group_axis"] = test.group_axis;
    info.attributes["dtype"] = test.dtype;
    const size_t spatial_rank = node.shape.size() < 2 ? 0 : node.shape.size() - 2;
    const uint8_t has = input.byte();
    const char* const gemm[] = {"alpha", "beta", "transA", "transB", "slope"};
    const char* const conv[] = {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides", "slope"};
    for (size_t i = 0; i < 5 && node.is("Gemm"); ++i)
        if (has >> i & 1) info.attributes[gemm[i]] = value_of(&input, gemm[i], 0);
    for (size_t i = 0; i < 7 && node.is("Conv"); ++i)
        if (has >> i & 1) info.attributes[conv[i]] = value_of(&input, conv[i], spatial_rank);
    if (node.is("Gather") && has & 1) info.attributes["axis"] = value_of(&input, "axis", 0);

    // An output for each of four million takes seconds under sanitizers: what the limit on outputs is for.
    int64_t numel = 1;
    for (const int64_t dim : node.shape) {
        if (dim > 0 && __builtin_mul_overflow(numel, dim, &numel)) return 0;
    }
    if (numel > kMaxWeightElements) return 0;
    const Inputs inputs = read_inputs(&input, node, count);
    if (inputs.values.size() > 0 && inputs.values[0].bytes.size() / 4 * static_cast<size_t>(numel) > kMaxProducts * 16)
        return 0;
    info.inputs[node.first == 0 ? kGroupInputs : 0].dims = inputs.values[0].dims;
    if (input.one_in(4)) {  // a group of an outer graph, as older runtimes show it
        for (OrtKernelInfo::Input& each : info.inputs) each.constant = nullptr;
    }

    std::string message;
    {
        const fake::Kernel kernel(node.op, info, &message);
        if (!kernel) {
            require_one_line(message);
        } else {
            std::vector<uint8_t> first;
            for (size_t threads = 1; threads <= 2; ++threads) {
                OrtKernelContext context = context_of(node, group, inputs);
                context.threads = threads;
                const bool ran = kernel.run(&context, &message);
                if (!ran) require_one_line(message);
                if (!ran) break;
                if (threads == 1) first = context.output.bytes;
                REQUIRE(same_numbers(context.output.bytes, first));
            }
        }
    }
    REQUIRE(fake::held == 0);
    return 0;
}

ONNXDC_MUTATE_GROUPS
