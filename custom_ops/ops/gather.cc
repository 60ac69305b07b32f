#include "ops/gather.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "ops/heap.h"
#include "ops/session.h"
#include "ops/weight_input.h"

namespace onnxdc {
namespace {

constexpr size_t kIndices = GatherKernel::kWeightInput + kGroupInputs;

// Some microseconds, at least: more than it takes to hand a task to a thread.
constexpr size_t kElementsPerTask = 32768;

// The indices as numbers in 0..length-1.
std::vector<int64_t> read_indices(const ort::Tensor& tensor, int64_t length) {
    if (tensor.type != kInt32 && tensor.type != kInt64) {
        throw ort::Error(kOrtInvalidArgument, "indices have element type " + std::to_string(tensor.type) +
                                                  ", expected int32 (6) or int64 (7)");
    }
    std::vector<int64_t> indices(static_cast<size_t>(tensor.numel()));
    for (size_t i = 0; i < indices.size(); ++i) {
        const int64_t index = tensor.type == kInt32 ? static_cast<const int32_t*>(tensor.data)[i]
                                                    : static_cast<const int64_t*>(tensor.data)[i];
        if (index < -length || index >= length) {
            throw ort::Error(
                kOrtInvalidArgument,
                "index " + std::to_string(index) + " is out of range for an axis of length " + std::to_string(length));
        }
        indices[i] = index < 0 ? index + length : index;
    }
    return indices;
}

}  // namespace

GatherKernel::GatherKernel(const ort::KernelInfo& info, const Fusion&, const GroupTensors& group) {
    const WeightInput weight(info, group);
    shape_ = weight.group().shape;
    const auto rank = static_cast<int64_t>(shape_.size());
    const int64_t axis = info.attribute("axis", int64_t{0});
    if (axis < -rank || axis >= rank) {
        throw ort::Error(kOrtInvalidGraph,
                         "axis is " + std::to_string(axis) + ", the weight has rank " + std::to_string(rank));
    }
    axis_ = static_cast<size_t>(axis < 0 ? axis + rank : axis);
    table_ = CodeTable(weight.decode_codes(), session_isa());
    release_free_memory(weight.group().entries);
}

// W is seen as [outer, length, inner], the output as [outer, indices, inner]; a slice is `inner` elements.
void GatherKernel::compute(const ort::Context& context) const {
    const ort::Tensor indices_tensor = context.input(kIndices);
    const int64_t length = shape_[axis_];
    const std::vector<int64_t> indices = read_indices(indices_tensor, length);

    const auto axis = shape_.begin() + static_cast<std::ptrdiff_t>(axis_);
    const int64_t outer = std::accumulate(shape_.begin(), axis, int64_t{1}, std::multiplies<>());
    const int64_t inner = std::accumulate(axis + 1, shape_.end(), int64_t{1}, std::multiplies<>());
    std::vector<int64_t> dims(shape_.begin(), axis);
    dims.insert(dims.end(), indices_tensor.dims.begin(), indices_tensor.dims.end());
    dims.insert(dims.end(), axis + 1, shape_.end());
    float* out = static_cast<float*>(context.output(dims));
    if (inner == 0) return;

    // Slices are handed to threads in tasks that are worth the handing.
    const size_t slices = static_cast<size_t>(outer) * indices.size();
    const size_t slices_per_task = 1 + kElementsPerTask / static_cast<size_t>(inner);
    SessionExecutor executor(context, threads_);
    executor.parallel_for(divide_up(slices, slices_per_task), [&](size_t task) {
        const size_t end = std::min(slices, (task + 1) * slices_per_task);
        for (size_t slice = task * slices_per_task; slice < end; ++slice) {
            const int64_t row = static_cast<int64_t>(slice / indices.size()) * length + indices[slice % indices.size()];
            const size_t begin = static_cast<size_t>(row * inner), count = static_cast<size_t>(inner);
            table_.read(begin, begin + count, out + slice * count);
        }
    });
}

}  // namespace onnxdc
