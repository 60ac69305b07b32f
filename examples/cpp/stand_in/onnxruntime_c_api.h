// Stands in for the header of this name, which packages of onnxruntime for Python and Node.js do not bring: the few
// entries of its C interface that open_model.cc uses, in our own words. The interface is a table that only grows, so a
// slot keeps its place for ever. A program of your own is better off with the real header; this one compiles with both.
#pragma once

#include <cstddef>
#include <cstdint>

#define ORT_API_VERSION 17

#ifdef _WIN32
#define ORTCHAR_T wchar_t
#else
#define ORTCHAR_T char
#endif

extern "C" {

struct OrtStatus;  // null: success; else owned by the one who received it
struct OrtEnv;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtValue;
struct OrtTypeInfo;
struct OrtTensorTypeAndShapeInfo;
struct OrtAllocator;

enum OrtLoggingLevel { ORT_LOGGING_LEVEL_WARNING = 2 };

enum ONNXTensorElementDataType {
    ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT = 1,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 = 2,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8 = 3,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 = 6,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 = 7,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL = 9,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16 = 10,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE = 11,
};

struct OrtApi {
    void* room0[2];
    const char* (*GetErrorMessage)(const OrtStatus* status);  // slot 2
    OrtStatus* (*CreateEnv)(OrtLoggingLevel level, const char* name, OrtEnv** out);
    void* room4[3];
    OrtStatus* (*CreateSession)(const OrtEnv* env, const ORTCHAR_T* path, const OrtSessionOptions* options,
                                OrtSession** out);  // slot 7
    OrtStatus* (*CreateSessionFromArray)(const OrtEnv* env, const void* model, size_t size,
                                         const OrtSessionOptions* options, OrtSession** out);
    OrtStatus* (*Run)(OrtSession* session, const OrtRunOptions* options, const char* const* input_names,
                      const OrtValue* const* inputs, size_t input_count, const char* const* output_names,
                      size_t output_count, OrtValue** outputs);
    OrtStatus* (*CreateSessionOptions)(OrtSessionOptions** out);
    void* room11[19];
    OrtStatus* (*SessionGetInputCount)(const OrtSession* session, size_t* out);  // slot 30
    OrtStatus* (*SessionGetOutputCount)(const OrtSession* session, size_t* out);
    void* room32;
    OrtStatus* (*SessionGetInputTypeInfo)(const OrtSession* session, size_t index, OrtTypeInfo** out);  // slot 33
    void* room34[2];
    OrtStatus* (*SessionGetInputName)(const OrtSession* session, size_t index, OrtAllocator* allocator,
                                      char** out);  // slot 36
    OrtStatus* (*SessionGetOutputName)(const OrtSession* session, size_t index, OrtAllocator* allocator, char** out);
    void* room38[10];
    OrtStatus* (*CreateTensorAsOrtValue)(OrtAllocator* allocator, const int64_t* dims, size_t rank,
                                         ONNXTensorElementDataType type, OrtValue** out);  // slot 48
    void* room49[2];
    OrtStatus* (*GetTensorMutableData)(OrtValue* value, void** out);  // slot 51
    void* room52[3];
    OrtStatus* (*CastTypeInfoToTensorInfo)(const OrtTypeInfo* info, const OrtTensorTypeAndShapeInfo** out);  // slot 55
    void* room56[4];
    OrtStatus* (*GetTensorElementType)(const OrtTensorTypeAndShapeInfo* info,
                                       ONNXTensorElementDataType* out);  // slot 60
    OrtStatus* (*GetDimensionsCount)(const OrtTensorTypeAndShapeInfo* info, size_t* out);
    OrtStatus* (*GetDimensions)(const OrtTensorTypeAndShapeInfo* info, int64_t* dims, size_t rank);
    void* room63[2];
    OrtStatus* (*GetTensorTypeAndShape)(const OrtValue* value, OrtTensorTypeAndShapeInfo** out);  // slot 65
    void* room66[10];
    OrtStatus* (*AllocatorFree)(OrtAllocator* allocator, void* memory);  // slot 76
    void* room77;
    OrtStatus* (*GetAllocatorWithDefaultOptions)(OrtAllocator** out);  // slot 78
    void* room79[13];
    void (*ReleaseEnv)(OrtEnv* env);  // slot 92
    void (*ReleaseStatus)(OrtStatus* status);
    void* room94;
    void (*ReleaseSession)(OrtSession* session);  // slot 95
    void (*ReleaseValue)(OrtValue* value);
    void* room97;
    void (*ReleaseTypeInfo)(OrtTypeInfo* info);  // slot 98
    void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo* info);
    void (*ReleaseSessionOptions)(OrtSessionOptions* options);  // slot 100
};

struct OrtApiBase {
    const OrtApi* (*GetApi)(uint32_t version);  // null if the runtime is older than `version`
    const char* (*GetVersionString)();
};

const OrtApiBase* OrtGetApiBase();

}  // extern "C"

static_assert(offsetof(OrtApi, ReleaseSessionOptions) == 100 * sizeof(void*), "a slot of eight bytes for each entry");
