// The part of the ONNX Runtime C ABI that this library uses, declared in our own words.
//
// The ABI is a table of function pointers that only ever grows: a slot keeps its place for ever. Slots that are not
// used here are kept as unnamed room, and each used one is checked to lie where the ABI has it. All of it exists since
// API version 17 (onnxruntime 1.17). Names follow onnxruntime's, so that its documentation applies.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

struct OrtStatus;  // null: success; else owned by the one who received it
struct OrtValue;
struct OrtTypeInfo;
struct OrtTensorTypeAndShapeInfo;
struct OrtMemoryInfo;
struct OrtAllocator;
struct OrtSessionOptions;
struct OrtCustomOpDomain;
struct OrtKernelInfo;
struct OrtKernelContext;

using OrtSlot = void (*)();

struct OrtApi {
    OrtStatus* (*CreateStatus)(int code, const char* message);  // slot 0
    OrtSlot room1;
    const char* (*GetErrorMessage)(const OrtStatus* status);  // slot 2
    OrtSlot room3[23];
    OrtStatus* (*CreateCustomOpDomain)(const char* domain, OrtCustomOpDomain** out);            // slot 26
    OrtStatus* (*CustomOpDomain_Add)(OrtCustomOpDomain* domain, const struct OrtCustomOp* op);  // slot 27
    OrtStatus* (*AddCustomOpDomain)(OrtSessionOptions* options, OrtCustomOpDomain* domain);     // slot 28
    OrtSlot room29[22];
    OrtStatus* (*GetTensorMutableData)(OrtValue* value, void** out);  // slot 51
    OrtSlot room52[3];
    OrtStatus* (*CastTypeInfoToTensorInfo)(const OrtTypeInfo* info,
                                           const OrtTensorTypeAndShapeInfo** out);  // slot 55; null for no tensor
    OrtSlot room56[4];
    OrtStatus* (*GetTensorElementType)(const OrtTensorTypeAndShapeInfo* info, int* out);          // slot 60
    OrtStatus* (*GetDimensionsCount)(const OrtTensorTypeAndShapeInfo* info, size_t* out);         // slot 61
    OrtStatus* (*GetDimensions)(const OrtTensorTypeAndShapeInfo* info, int64_t* dims, size_t n);  // slot 62
    OrtSlot room63[2];
    OrtStatus* (*GetTensorTypeAndShape)(const OrtValue* value, OrtTensorTypeAndShapeInfo** out);  // slot 65
    OrtSlot room66[3];
    OrtStatus* (*CreateCpuMemoryInfo)(int allocator_type, int memory_type, OrtMemoryInfo** out);  // slot 69
    OrtSlot room70[5];
    OrtStatus* (*AllocatorAlloc)(OrtAllocator* allocator, size_t nbytes, void** out);  // slot 75
    OrtStatus* (*AllocatorFree)(OrtAllocator* allocator, void* memory);                // slot 76
    OrtSlot room77[8];
    OrtStatus* (*KernelInfoGetAttribute_float)(const OrtKernelInfo* info, const char* name, float* out);    // slot 85
    OrtStatus* (*KernelInfoGetAttribute_int64)(const OrtKernelInfo* info, const char* name, int64_t* out);  // slot 86
    OrtStatus* (*KernelInfoGetAttribute_string)(const OrtKernelInfo* info, const char* name, char* out,
                                                size_t* size);                                 // slot 87
    OrtStatus* (*KernelContext_GetInputCount)(const OrtKernelContext* context, size_t* out);   // slot 88
    OrtStatus* (*KernelContext_GetOutputCount)(const OrtKernelContext* context, size_t* out);  // slot 89
    OrtStatus* (*KernelContext_GetInput)(const OrtKernelContext* context, size_t index,
                                         const OrtValue** out);  // slot 90
    OrtStatus* (*KernelContext_GetOutput)(OrtKernelContext* context, size_t index, const int64_t* dims, size_t rank,
                                          OrtValue** out);  // slot 91
    OrtSlot room92;
    void (*ReleaseStatus)(OrtStatus* status);  // slot 93
    OrtSlot room94[4];
    void (*ReleaseTypeInfo)(OrtTypeInfo* info);                              // slot 98
    void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo* info);  // slot 99
    OrtSlot room100[32];
    void (*ReleaseAllocator)(OrtAllocator* allocator);  // slot 132
    OrtSlot room133[29];
    OrtStatus* (*KernelInfoGetAttributeArray_float)(const OrtKernelInfo* info, const char* name, float* out,
                                                    size_t* count);  // slot 162
    OrtStatus* (*KernelInfoGetAttributeArray_int64)(const OrtKernelInfo* info, const char* name, int64_t* out,
                                                    size_t* count);  // slot 163
    OrtSlot room164[53];
    OrtStatus* (*CopyKernelInfo)(const OrtKernelInfo* info, OrtKernelInfo** copy);  // slot 217; the caller releases it
    void (*ReleaseKernelInfo)(OrtKernelInfo* info);                                 // slot 218
    OrtSlot room219[13];
    OrtStatus* (*KernelInfo_GetInputName)(const OrtKernelInfo* info, size_t index, char* out,
                                          size_t* size);  // slot 232
    OrtSlot room233;
    OrtStatus* (*KernelInfo_GetInputTypeInfo)(const OrtKernelInfo* info, size_t index, OrtTypeInfo** out);  // slot 234
    OrtSlot room235[9];
    OrtStatus* (*KernelInfo_GetNodeName)(const OrtKernelInfo* info, char* out, size_t* size);  // slot 244
    OrtSlot room245[4];
    OrtStatus* (*KernelInfoGetConstantInput_tensor)(const OrtKernelInfo* info, size_t index, int* is_constant,
                                                    const OrtValue** out);  // slot 249
    OrtSlot room250[3];
    OrtStatus* (*KernelContext_GetAllocator)(const OrtKernelContext* context, const OrtMemoryInfo* memory,
                                             OrtAllocator** out);  // slot 253; the caller releases it
    OrtSlot room254[20];
    OrtStatus* (*KernelContext_ParallelFor)(const OrtKernelContext* context, void (*fn)(void* user, size_t index),
                                            size_t total, size_t num_batch, void* user);  // slot 274
};

struct OrtApiBase {
    const OrtApi* (*GetApi)(uint32_t version);  // null if the runtime is older than `version`
    const char* (*GetVersionString)();
};

// Describes an operator to the runtime; it must outlive the session. The callbacks without V2 and those below
// GetEndVersion are left null.
struct OrtCustomOp {
    uint32_t version;
    void* (*CreateKernel)(const OrtCustomOp* op, const OrtApi* api, const OrtKernelInfo* info);
    const char* (*GetName)(const OrtCustomOp* op);
    const char* (*GetExecutionProviderType)(const OrtCustomOp* op);
    int (*GetInputType)(const OrtCustomOp* op, size_t index);
    size_t (*GetInputTypeCount)(const OrtCustomOp* op);
    int (*GetOutputType)(const OrtCustomOp* op, size_t index);
    size_t (*GetOutputTypeCount)(const OrtCustomOp* op);
    void (*KernelCompute)(void* kernel, OrtKernelContext* context);
    void (*KernelDestroy)(void* kernel);
    int (*GetInputCharacteristic)(const OrtCustomOp* op, size_t index);
    int (*GetOutputCharacteristic)(const OrtCustomOp* op, size_t index);
    int (*GetInputMemoryType)(const OrtCustomOp* op, size_t index);
    int (*GetVariadicInputMinArity)(const OrtCustomOp* op);
    int (*GetVariadicInputHomogeneity)(const OrtCustomOp* op);
    int (*GetVariadicOutputMinArity)(const OrtCustomOp* op);
    int (*GetVariadicOutputHomogeneity)(const OrtCustomOp* op);
    OrtStatus* (*CreateKernelV2)(const OrtCustomOp* op, const OrtApi* api, const OrtKernelInfo* info, void** kernel);
    OrtStatus* (*KernelComputeV2)(void* kernel, OrtKernelContext* context);
    OrtStatus* (*InferOutputShapeFn)(const OrtCustomOp* op, struct OrtShapeInferContext* context);
    int (*GetStartVersion)(const OrtCustomOp* op);
    int (*GetEndVersion)(const OrtCustomOp* op);
    OrtSlot room[4];
};

}  // extern "C"

#define ONNXDC_CHECK_SLOT(name, slot) static_assert(offsetof(OrtApi, name) == (slot) * sizeof(OrtSlot), #name)
ONNXDC_CHECK_SLOT(GetErrorMessage, 2);
ONNXDC_CHECK_SLOT(CreateCustomOpDomain, 26);
ONNXDC_CHECK_SLOT(AddCustomOpDomain, 28);
ONNXDC_CHECK_SLOT(GetTensorMutableData, 51);
ONNXDC_CHECK_SLOT(CastTypeInfoToTensorInfo, 55);
ONNXDC_CHECK_SLOT(GetTensorElementType, 60);
ONNXDC_CHECK_SLOT(GetTensorTypeAndShape, 65);
ONNXDC_CHECK_SLOT(CreateCpuMemoryInfo, 69);
ONNXDC_CHECK_SLOT(AllocatorAlloc, 75);
ONNXDC_CHECK_SLOT(KernelInfoGetAttribute_float, 85);
ONNXDC_CHECK_SLOT(KernelContext_GetInputCount, 88);
ONNXDC_CHECK_SLOT(KernelContext_GetOutputCount, 89);
ONNXDC_CHECK_SLOT(KernelContext_GetInput, 90);
ONNXDC_CHECK_SLOT(ReleaseStatus, 93);
ONNXDC_CHECK_SLOT(ReleaseTypeInfo, 98);
ONNXDC_CHECK_SLOT(ReleaseTensorTypeAndShapeInfo, 99);
ONNXDC_CHECK_SLOT(ReleaseAllocator, 132);
ONNXDC_CHECK_SLOT(KernelInfoGetAttributeArray_float, 162);
ONNXDC_CHECK_SLOT(KernelInfoGetAttributeArray_int64, 163);
ONNXDC_CHECK_SLOT(CopyKernelInfo, 217);
ONNXDC_CHECK_SLOT(ReleaseKernelInfo, 218);
ONNXDC_CHECK_SLOT(KernelInfo_GetInputName, 232);
ONNXDC_CHECK_SLOT(KernelInfo_GetInputTypeInfo, 234);
ONNXDC_CHECK_SLOT(KernelInfo_GetNodeName, 244);
ONNXDC_CHECK_SLOT(KernelInfoGetConstantInput_tensor, 249);
ONNXDC_CHECK_SLOT(KernelContext_GetAllocator, 253);
ONNXDC_CHECK_SLOT(KernelContext_ParallelFor, 274);
#undef ONNXDC_CHECK_SLOT
static_assert(sizeof(OrtCustomOp) == 208, "26 fields of 8 bytes");

namespace onnxdc {

constexpr uint32_t kOrtApiVersion = 17;

enum OrtErrorCode : int { kOrtFail = 1, kOrtInvalidArgument = 2, kOrtRuntimeException = 6, kOrtInvalidGraph = 10 };

// Element types are those of decoder/weight_group.h; besides them:
constexpr int kOrtAnyType = 0;

// Kinds of allocators and of memory, in the runtime's words.
constexpr int kOrtArenaAllocator = 1;
constexpr int kOrtMemTypeDefault = 0;

// A variadic input or output stands for one or more; it is the last.
enum OrtCharacteristic : int { kOrtRequired = 0, kOrtOptional = 1, kOrtVariadic = 2 };

}  // namespace onnxdc
