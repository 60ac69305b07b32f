// The entry point that onnxruntime calls: it hands over the operators of the domain `onnxdc`, and does nothing else.
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "abi/ort_c_api.h"
#include "include/onnxdc.h"
#include "isa/isa.h"
#include "ops/conv.h"
#include "ops/gather.h"
#include "ops/gemm.h"
#include "ops/matmul.h"
#include "ops/op.h"
#include "ops/symbols.h"

namespace onnxdc {
namespace {

// Shared pointers delete what they were made of, whose type the list does not know.
using Ops = std::vector<std::shared_ptr<const OrtCustomOp>>;

// The operator of Kernel, and those that add something, or nothing, and apply each of the activations after it.
template <class Kernel>
void add_with_fusions(std::initializer_list<const char*> additions, Ops* ops) {
    for (const char* added : additions) {
        for (Fusion fusion : kActivations) {
            fusion.added = added;
            ops->push_back(std::make_shared<Op<Kernel>>(fusion));
        }
    }
}

// So many nodes of one graph yield symbols that nobody reads; those of more are computed.
constexpr int kSymbolsOps = 16;

Ops make_ops() {
    Ops ops{std::make_shared<Op<GatherKernel>>()};
    add_with_fusions<GemmKernel>({""}, &ops);
    add_with_fusions<MatMulKernel>({"", "Bias"}, &ops);
    add_with_fusions<ConvKernel>({"", "Add"}, &ops);
    add_with_fusions<DynamicGemmKernel>({""}, &ops);
    add_with_fusions<DynamicMatMulKernel>({"", "Bias"}, &ops);
    add_with_fusions<DynamicConvKernel>({"", "Add"}, &ops);
    for (const std::string name : {"SparseSymbols", "DynamicSymbols"}) {
        for (int number = 1; number <= kSymbolsOps; ++number)
            ops.push_back(std::make_shared<SymbolsOp>(name + (number > 1 ? std::to_string(number) : "")));
    }
    return ops;
}

// The operators and their domain must outlive every session, so they are never destroyed.
OrtStatus* make_domain(const OrtApi& api, OrtCustomOpDomain** domain) {
    static const Ops& ops = *new Ops(make_ops());
    OrtStatus* status = api.CreateCustomOpDomain("onnxdc", domain);
    for (const auto& op : ops) {
        if (!status) status = api.CustomOpDomain_Add(*domain, op.get());
    }
    return status;
}

OrtStatus* register_ops(OrtSessionOptions* options, const OrtApiBase& base) {
    const OrtApi* api = base.GetApi(kOrtApiVersion);
    if (!api) {
        char message[128];
        std::snprintf(message, sizeof message, "onnxdc needs onnxruntime 1.17 or later, this is %s",
                      base.GetVersionString());
        // CreateStatus is slot 0 of the table in every version, the first included.
        return base.GetApi(1)->CreateStatus(kOrtFail, message);
    }
    try {
        Isa isa;
        std::string error;
        if (!choose_isa_from_environment(&isa, &error)) return api->CreateStatus(kOrtInvalidArgument, error.c_str());
        static OrtCustomOpDomain* domain = nullptr;
        static OrtStatus* const failure = make_domain(*api, &domain);
        return failure ? api->CreateStatus(kOrtFail, api->GetErrorMessage(failure))
                       : api->AddCustomOpDomain(options, domain);
    } catch (const std::exception& error) {
        return api->CreateStatus(kOrtFail, error.what());
    }
}

}  // namespace
}  // namespace onnxdc

extern "C" OrtStatus* RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base) {
    return onnxdc::register_ops(options, *base);
}
