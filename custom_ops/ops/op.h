// From a kernel class to the table of callbacks that the runtime wants. No exception passes it.
#pragma once

#include <cstdio>
#include <new>
#include <string>

#include "abi/ort.h"
#include "ops/fusion.h"
#include "ops/late_kernel.h"
#include "ops/weight_input.h"

namespace onnxdc {

// The runtime's description of an operator that Kernel implements, with what is fused after it. Kernel has
//   static constexpr const char* kName;       of the operator with nothing fused
//   static constexpr size_t kWeightInput;     the first input of the weight group
//   static constexpr size_t kInputs;          inputs of that operator, the optional last one included
//   static constexpr bool kLastIsOptional;
//   static constexpr int kOtherType;          element type of the inputs next to the group, or kOrtAnyType
//   Kernel(const ort::KernelInfo&, const Fusion&, const GroupTensors&);  checks all there is to check; throws
//   void compute(const ort::Context&) const;  throws; several threads may call it at once
template <class Kernel>
class Op : public OrtCustomOp {
public:
    explicit Op(const Fusion& fusion = {})
        : OrtCustomOp{}, fusion_(fusion), name_(std::string(Kernel::kName) + fusion.added + fusion.activated) {
        version = kOrtApiVersion;
        GetName = [](const OrtCustomOp* op) { return self(op).name_.c_str(); };
        GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; };  // the CPU
        GetInputTypeCount = [](const OrtCustomOp* op) { return self(op).first_bound() + self(op).fusion_.bounds(); };
        GetInputType = [](const OrtCustomOp*, size_t i) {
            // The group takes any type, so that our own check can name what is wrong.
            const bool of_group = i >= Kernel::kWeightInput && i < Kernel::kWeightInput + kGroupInputs;
            return of_group ? kOrtAnyType : Kernel::kOtherType;
        };
        GetInputCharacteristic = [](const OrtCustomOp* op, size_t i) -> int {
            constexpr size_t kSymbols = Kernel::kWeightInput + kGroupTensors;
            const bool optional = (i >= kSymbols && i < kSymbols + kSymbolInputs) ||
                                  (Kernel::kLastIsOptional && i + 1 == Kernel::kInputs) || i >= self(op).first_bound();
            return optional ? kOrtOptional : kOrtRequired;
        };
        GetInputMemoryType = [](const OrtCustomOp*, size_t) { return 0; };
        GetOutputTypeCount = [](const OrtCustomOp*) { return size_t{1}; };
        GetOutputType = [](const OrtCustomOp*, size_t) -> int { return kFloat; };
        GetOutputCharacteristic = [](const OrtCustomOp*, size_t) -> int { return kOrtRequired; };
        GetVariadicInputMinArity = GetVariadicOutputMinArity = [](const OrtCustomOp*) { return 0; };
        GetVariadicInputHomogeneity = GetVariadicOutputHomogeneity = [](const OrtCustomOp*) { return 0; };
        GetStartVersion = GetEndVersion = [](const OrtCustomOp*) { return 1; };
        CreateKernelV2 = create;
        KernelComputeV2 = compute;
        KernelDestroy = [](void* instance) { delete static_cast<Instance*>(instance); };
    }

private:
    struct Instance {
        const OrtApi& api;
        std::string where;
        LateKernel<Kernel> kernel;
    };

    static const Op& self(const OrtCustomOp* op) { return *static_cast<const Op*>(op); }

    size_t first_bound() const { return Kernel::kInputs + fusion_.added_inputs(); }

    // Runs `body`; what it throws becomes a status that says where, as `where` is by then. Memory may have run out, so
    // the message takes none. It is one line: names and texts of the model are in it, which may hold anything.
    template <class Body>
    static OrtStatus* guarded(const OrtApi& api, const std::string& where, Body body) {
        const auto status = [&](int code, const char* what) {
            char message[1024];
            std::snprintf(message, sizeof message, "%s: %s", where.c_str(), what);
            for (char* c = message; *c; ++c) {
                if (static_cast<unsigned char>(*c) < ' ' || *c == 127) *c = '?';
            }
            return api.CreateStatus(code, message);
        };
        try {
            body();
            return nullptr;
        } catch (const ort::Error& error) {
            return status(error.code, error.what());
        } catch (const std::bad_alloc&) {
            return status(kOrtFail, "out of memory");
        } catch (const std::exception& error) {
            return status(kOrtRuntimeException, error.what());
        }
    }

    static OrtStatus* create(const OrtCustomOp* op, const OrtApi* api, const OrtKernelInfo* handle, void** out) {
        const ort::KernelInfo info(*api, handle);
        std::string where;
        return guarded(*api, where, [&] {
            where = self(op).name_;
            where += " node '" + info.node_name() + "', weight '" + weight_name(info, Kernel::kWeightInput) + "'";
            *out = new Instance{*api, where, {info, self(op).fusion_}};
        });
    }

    static OrtStatus* compute(void* handle, OrtKernelContext* context) {
        Instance& instance = *static_cast<Instance*>(handle);
        return guarded(instance.api, instance.where,
                       [&] { instance.kernel.compute(ort::Context(instance.api, context)); });
    }

    const Fusion fusion_;
    const std::string name_;
};

}  // namespace onnxdc
