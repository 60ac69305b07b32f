#include "ops/symbols.h"

#include "decoder/weight_group.h"

namespace onnxdc {
namespace {

// A kernel is the runtime's table: there is nothing else to know.
OrtStatus* create(const OrtCustomOp*, const OrtApi* api, const OrtKernelInfo*, void** kernel) {
    *kernel = const_cast<OrtApi*>(api);
    return nullptr;
}

// Every output has no elements.
OrtStatus* compute(void* kernel, OrtKernelContext* context) {
    const OrtApi& api = *static_cast<const OrtApi*>(kernel);
    const int64_t dims[] = {0};
    size_t count = 0;
    OrtStatus* status = api.KernelContext_GetOutputCount(context, &count);
    for (size_t i = 0; i < count && !status; ++i) {
        OrtValue* output = nullptr;
        status = api.KernelContext_GetOutput(context, i, dims, 1, &output);
    }
    return status;
}

}  // namespace

SymbolsOp::SymbolsOp(const std::string& name) : OrtCustomOp{}, name_(name) {
    version = kOrtApiVersion;
    GetName = [](const OrtCustomOp* op) { return static_cast<const SymbolsOp*>(op)->name_.c_str(); };
    GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; };  // the CPU
    GetInputTypeCount = GetOutputTypeCount = [](const OrtCustomOp*) { return size_t{1}; };
    GetInputType = [](const OrtCustomOp*, size_t) -> int { return kOrtAnyType; };
    GetOutputType = [](const OrtCustomOp*, size_t) -> int { return kUint8; };
    GetInputCharacteristic = GetOutputCharacteristic = [](const OrtCustomOp*, size_t) -> int { return kOrtVariadic; };
    GetInputMemoryType = [](const OrtCustomOp*, size_t) { return 0; };
    GetVariadicInputMinArity = GetVariadicOutputMinArity = [](const OrtCustomOp*) { return 1; };
    GetVariadicInputHomogeneity = [](const OrtCustomOp*) { return 0; };
    GetVariadicOutputHomogeneity = [](const OrtCustomOp*) { return 1; };
    GetStartVersion = GetEndVersion = [](const OrtCustomOp*) { return 1; };
    CreateKernelV2 = create;
    KernelComputeV2 = compute;
    KernelDestroy = [](void*) {};
}

}  // namespace onnxdc
