// A kernel that is made as soon as its weight group can be read.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "abi/ort.h"
#include "ops/fusion.h"
#include "ops/weight_input.h"

namespace onnxdc {

// Where a node of a subgraph uses a group of a graph around it, onnxruntime before 1.29 does not show the tensors when
// it creates the kernel, only among the inputs of each run. The kernel is made in the first run then. If that fails,
// each run tries again, and says why not.
template <class Kernel>
class LateKernel {
public:
    LateKernel(const ort::KernelInfo& info, const Fusion& fusion) : api_(info.api()), fusion_(fusion) {
        GroupTensors group;
        if (read_constant_group(info, Kernel::kWeightInput, &group))
            kernel_ = std::make_unique<Kernel>(info, fusion_, group);
        else
            info_ = info.copy();
    }

    // Throws; several threads may call it at once.
    void compute(const ort::Context& context) {
        if (info_) prepare(context);
        kernel_->compute(context);
    }

private:
    void prepare(const ort::Context& context) {
        GroupTensors group = read_group(context, Kernel::kWeightInput);
        const ort::KernelInfo info(api_, info_.get());
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (!kernel_) {
                kernel_ = std::make_unique<Kernel>(info, fusion_, group);
                group_ = std::move(group);
                return;
            }
        }
        require_same_group(info, group_, group);
    }

    const OrtApi& api_;
    const Fusion& fusion_;  // of the operator, which outlives its kernels
    ort::OwnedInfo info_;   // null: the runtime has shown the group
    std::mutex mutex_;      // held by the run that makes the kernel
    std::unique_ptr<Kernel> kernel_;
    GroupTensors group_;  // of the first run; set with the kernel, and not changed any more
};

}  // namespace onnxdc
