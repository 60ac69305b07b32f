#include "ops/weight_input.h"

#include "decoder/crc32.h"
#include "decoder/decode.h"

namespace onnxdc {
namespace {

// The same as in onnxdc/passes/execution.py.
constexpr int64_t kMaxOutputs = int64_t{1} << 22;

void require(const Verdict& verdict) {
    if (verdict) throw ort::Error(kOrtInvalidGraph, std::string(rule_name(verdict->rule)) + ": " + verdict->detail);
}

TensorView view(const ort::Tensor& tensor) {
    return {tensor.data, tensor.dims.data(), static_cast<int32_t>(tensor.dims.size()), tensor.type};
}

}  // namespace

std::string weight_name(const ort::KernelInfo& info, size_t first) {
    constexpr const char kSuffix[] = ".codebook";
    const std::string name = info.input_name(first);
    const size_t end = name.rfind(kSuffix);
    return end != std::string::npos && end + sizeof kSuffix - 1 == name.size() ? name.substr(0, end) : name;
}

bool read_constant_group(const ort::KernelInfo& info, size_t first, GroupTensors* tensors) {
    for (size_t i = 0; i < kGroupTensors; ++i) {
        if (!info.constant_input(first + i, &(*tensors)[i])) return false;
    }
    return true;
}

GroupTensors read_group(const ort::Context& context, size_t first) {
    GroupTensors tensors;
    for (size_t i = 0; i < kGroupTensors; ++i) tensors[i] = context.input(first + i);
    return tensors;
}

void require_same_group(const ort::KernelInfo& info, const GroupTensors& before, const GroupTensors& now) {
    bool same = true, moved = false;
    for (size_t i = 0; i < kGroupTensors; ++i) {
        same &= before[i].type == now[i].type && before[i].dims == now[i].dims;
        moved |= before[i].data != now[i].data && now[i].numel() > 0;
    }
    if (same && moved) {
        uint32_t crc = 0;
        for (const ort::Tensor& tensor : now) crc = crc32(crc, tensor.data, view(tensor).nbytes());
        same = crc == info.attribute("checksum", int64_t{0});
    }
    if (!same) throw ort::Error(kOrtInvalidArgument, "the weight group is another than in the first run");
}

WeightInput::WeightInput(const ort::KernelInfo& info, const GroupTensors& tensors) {
    if (!info.has_attribute("checksum")) throw ort::Error(kOrtInvalidGraph, "attribute checksum is missing");
    const WeightGroup group{
        view(tensors[0]),
        view(tensors[1]),
        view(tensors[2]),
        view(tensors[3]),
        view(tensors[4]),
        view(tensors[5]),
        view(tensors[6]),
        view(tensors[7]),
        info.attribute("checksum", int64_t{0}),
        info.attribute("packet", int64_t{64}),
        info.attribute("group_axis", int64_t{0}),
        info.attribute("dtype", int64_t{kFloat}),
    };
    require(check_group(group, &group_));
    if (group_.dtype != kFloat) {
        throw ort::Error(kOrtInvalidGraph, "the weight has element type " + std::to_string(group_.dtype) +
                                               ", this operator takes float32 (1)");
    }
}

SparseWeight WeightInput::decode(int64_t outputs) const {
    if (outputs > kMaxOutputs) {
        throw ort::Error(kOrtInvalidGraph, "the weight has " + std::to_string(outputs) +
                                               " outputs, this operator takes at most " + std::to_string(kMaxOutputs));
    }
    SparseWeight weight;
    require(decode_sparse(group_, &weight));
    return weight;
}

ElementCodes WeightInput::decode_codes() const {
    ElementCodes weight;
    require(onnxdc::decode_codes(group_, &weight));
    return weight;
}

}  // namespace onnxdc
