#include "abi/ort.h"

#include <new>

namespace onnxdc::ort {
namespace {

// What the runtime hands over to be released, whatever is thrown meanwhile: memory may run out anywhere.
template <class T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

std::vector<int64_t> read_dims(const OrtApi& api, const OrtTensorTypeAndShapeInfo* info) {
    size_t rank = 0;
    check(api, api.GetDimensionsCount(info, &rank));
    std::vector<int64_t> dims(rank);
    check(api, api.GetDimensions(info, dims.data(), rank));
    return dims;
}

Tensor read_tensor(const OrtApi& api, const OrtValue* value) {
    Tensor tensor;
    OrtTensorTypeAndShapeInfo* answer = nullptr;
    check(api, api.GetTensorTypeAndShape(value, &answer));
    const Owned<OrtTensorTypeAndShapeInfo> info(answer, api.ReleaseTensorTypeAndShapeInfo);
    int type = 0;
    check(api, api.GetTensorElementType(info.get(), &type));
    tensor.dims = read_dims(api, info.get());
    tensor.type = type;
    void* data = nullptr;
    // The runtime has one getter for reading and writing; a const input is only read.
    check(api, api.GetTensorMutableData(const_cast<OrtValue*>(value), &data));
    tensor.data = data;
    return tensor;
}

// A text of the runtime, fetched as it wants it: the size first. Both calls count the final zero.
template <class Get>
OrtStatus* read_text(std::string* text, Get get) {
    size_t size = 0;
    if (OrtStatus* status = get(nullptr, &size)) return status;
    text->resize(size);
    OrtStatus* status = get(text->data(), &size);
    while (!text->empty() && text->back() == '\0') text->pop_back();
    return status;
}

bool succeeds(const OrtApi& api, OrtStatus* status) {
    if (status) api.ReleaseStatus(status);
    return !status;
}

}  // namespace

void check(const OrtApi& api, OrtStatus* status) {
    if (!status) return;
    const Owned<OrtStatus> owned(status, api.ReleaseStatus);
    throw Error(kOrtRuntimeException, api.GetErrorMessage(status));
}

int64_t Tensor::numel() const {
    int64_t product = 1;
    for (int64_t dim : dims) product *= dim;
    return product;
}

bool KernelInfo::succeeds(OrtStatus* status) const { return ort::succeeds(api_, status); }

std::string KernelInfo::node_name() const {
    std::string name;
    check(api_,
          read_text(&name, [&](char* out, size_t* size) { return api_.KernelInfo_GetNodeName(info_, out, size); }));
    return name;
}

std::string KernelInfo::input_name(size_t index) const {
    std::string name;
    check(api_, read_text(&name, [&](char* out, size_t* size) {
              return api_.KernelInfo_GetInputName(info_, index, out, size);
          }));
    return name;
}

std::vector<int64_t> KernelInfo::input_dims(size_t index) const {
    OrtTypeInfo* answer = nullptr;
    if (!succeeds(api_.KernelInfo_GetInputTypeInfo(info_, index, &answer))) return {};
    const Owned<OrtTypeInfo> type(answer, api_.ReleaseTypeInfo);
    const OrtTensorTypeAndShapeInfo* info = nullptr;
    check(api_, api_.CastTypeInfoToTensorInfo(type.get(), &info));
    return info ? read_dims(api_, info) : std::vector<int64_t>{};
}

bool KernelInfo::constant_input(size_t index, Tensor* tensor) const {
    int is_constant = 0;
    const OrtValue* value = nullptr;
    check(api_, api_.KernelInfoGetConstantInput_tensor(info_, index, &is_constant, &value));
    if (!is_constant || !value) return false;
    *tensor = read_tensor(api_, value);
    return true;
}

bool KernelInfo::has_attribute(const char* name) const {
    int64_t integer;
    float number;
    size_t size = 0;
    size_t count = 0;
    return succeeds(api_.KernelInfoGetAttribute_int64(info_, name, &integer)) ||
           succeeds(api_.KernelInfoGetAttribute_float(info_, name, &number)) ||
           succeeds(api_.KernelInfoGetAttribute_string(info_, name, nullptr, &size)) ||
           succeeds(api_.KernelInfoGetAttributeArray_int64(info_, name, nullptr, &count)) ||
           succeeds(api_.KernelInfoGetAttributeArray_float(info_, name, nullptr, &count));
}

int64_t KernelInfo::attribute(const char* name, int64_t fallback) const {
    int64_t value = 0;
    if (succeeds(api_.KernelInfoGetAttribute_int64(info_, name, &value))) return value;
    if (has_attribute(name)) throw Error(kOrtInvalidGraph, std::string("attribute ") + name + " must be an integer");
    return fallback;
}

float KernelInfo::attribute(const char* name, float fallback) const {
    float value = 0;
    if (succeeds(api_.KernelInfoGetAttribute_float(info_, name, &value))) return value;
    if (has_attribute(name)) throw Error(kOrtInvalidGraph, std::string("attribute ") + name + " must be a float");
    return fallback;
}

std::string KernelInfo::attribute(const char* name, const char* fallback) const {
    std::string text;
    const auto get = [&](char* out, size_t* size) {
        return api_.KernelInfoGetAttribute_string(info_, name, out, size);
    };
    if (succeeds(read_text(&text, get))) return text;
    if (has_attribute(name)) throw Error(kOrtInvalidGraph, std::string("attribute ") + name + " must be a string");
    return fallback;
}

std::vector<int64_t> KernelInfo::attribute(const char* name, std::vector<int64_t> fallback) const {
    size_t count = 0;
    if (succeeds(api_.KernelInfoGetAttributeArray_int64(info_, name, nullptr, &count))) {
        std::vector<int64_t> values(count);
        check(api_, api_.KernelInfoGetAttributeArray_int64(info_, name, values.data(), &count));
        return values;
    }
    if (has_attribute(name)) {
        throw Error(kOrtInvalidGraph, std::string("attribute ") + name + " must be a list of integers");
    }
    return fallback;
}

void ReleaseInfo::operator()(OrtKernelInfo* info) const { api->ReleaseKernelInfo(info); }

OwnedInfo KernelInfo::copy() const {
    OrtKernelInfo* copied = nullptr;
    check(api_, api_.CopyKernelInfo(info_, &copied));
    return OwnedInfo(copied, ReleaseInfo{&api_});
}

void Release::operator()(void* memory) const {
    succeeds(*api, api->AllocatorFree(allocator, memory));
    api->ReleaseAllocator(allocator);
}

const OrtValue* Context::value(size_t index) const {
    size_t count = 0;
    const OrtValue* value = nullptr;
    check(api_, api_.KernelContext_GetInputCount(context_, &count));
    if (index < count) check(api_, api_.KernelContext_GetInput(context_, index, &value));
    return value;
}

bool Context::has_input(size_t index) const { return value(index) != nullptr; }

Tensor Context::input(size_t index) const {
    const OrtValue* tensor = value(index);
    if (!tensor) throw Error(kOrtInvalidArgument, "input " + std::to_string(index) + " is missing");
    return read_tensor(api_, tensor);
}

void* Context::output(const std::vector<int64_t>& dims) const {
    OrtValue* value = nullptr;
    void* data = nullptr;
    check(api_, api_.KernelContext_GetOutput(context_, 0, dims.data(), dims.size(), &value));
    check(api_, api_.GetTensorMutableData(value, &data));
    return data;
}

Memory Context::allocate(size_t nbytes) const {
    // The same for every session; it lives as long as the library.
    static const OrtMemoryInfo* const cpu = [this] {
        OrtMemoryInfo* info = nullptr;
        check(api_, api_.CreateCpuMemoryInfo(kOrtArenaAllocator, kOrtMemTypeDefault, &info));
        return info;
    }();
    OrtAllocator* allocator = nullptr;
    check(api_, api_.KernelContext_GetAllocator(context_, cpu, &allocator));
    void* memory = nullptr;
    OrtStatus* status = api_.AllocatorAlloc(allocator, nbytes, &memory);
    if (!memory) api_.ReleaseAllocator(allocator);
    check(api_, status);
    if (!memory) throw std::bad_alloc();
    return Memory(memory, Release{&api_, allocator});
}

void Context::parallel_for(size_t count, void (*task)(void* state, size_t index), void* state) const {
    if (count > 0) check(api_, api_.KernelContext_ParallelFor(context_, task, count, 0, state));
}

std::string shape_text(const std::vector<int64_t>& dims) {
    std::string text = "[";
    for (size_t i = 0; i < dims.size(); ++i) text += (i ? ", " : "") + std::to_string(dims[i]);
    return text + "]";
}

}  // namespace onnxdc::ort
