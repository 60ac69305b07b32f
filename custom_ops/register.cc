// The entry point that onnxruntime calls: it hands over the operators of the domain `onnxdc`, and nothing else happens here.
#include "abi/ort_c_api.h"
#include "ops/gather.h"
#include "ops/op.h"

extern "C" __attribute__((visibility("default"))) OrtStatus* RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base) {
    using namespace onnxdc;
    const OrtApi* api = base->GetApi(kOrtApiVersion);
    if (!api) {
        // Slot 0 of the table has been the same since the first version, so the oldest one can still carry the message.
        const std::string message = std::string("onnxdc needs onnxruntime 1.17 or later, this is ") + base->GetVersionString();
        return base->GetApi(1)->CreateStatus(kOrtFail, message.c_str());
    }
    // The operators and their domain must outlive every session, so they live as long as the library.
    static const Op<GatherKernel> gather;
    static OrtCustomOpDomain* domain = nullptr;
    static OrtStatus* const failure = [&] {
        OrtStatus* status = api->CreateCustomOpDomain("onnxdc", &domain);
        for (const OrtCustomOp* op : {static_cast<const OrtCustomOp*>(&gather)}) {
            if (!status) status = api->CustomOpDomain_Add(domain, op);
        }
        return status;
    }();
    return failure ? api->CreateStatus(kOrtFail, api->GetErrorMessage(failure)) : api->AddCustomOpDomain(options, domain);
}

extern "C" __attribute__((visibility("default"))) int onnxdc_isa(char*, unsigned long){return -1;}
