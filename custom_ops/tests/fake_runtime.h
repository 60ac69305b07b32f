// A runtime for tests of the operators: what they ask of onnxruntime is answered from plain structures, and what they
// must give back is counted. Names follow the C ABI, see abi/ort_c_api.h.
#pragma once

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "abi/ort_c_api.h"
#include "decoder/weight_group.h"

extern "C" OrtStatus* RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base);

struct OrtStatus {
    int code;
    std::string message;
};

// A tensor, its bytes in an allocation of exactly their size.
struct OrtValue {
    int32_t type;
    std::vector<int64_t> dims;
    std::vector<uint8_t> bytes;
};

struct OrtTensorTypeAndShapeInfo {
    int32_t type;
    std::vector<int64_t> dims;
};

struct OrtTypeInfo {
    OrtTensorTypeAndShapeInfo tensor;
};

struct OrtAllocator {};
struct OrtMemoryInfo {};

struct OrtCustomOpDomain {
    std::vector<const OrtCustomOp*> ops;
};

struct OrtSessionOptions {
    std::vector<OrtCustomOpDomain*> domains;
};

// A node: what a kernel is created from.
struct OrtKernelInfo {
    struct Input {
        std::string name;
        const OrtValue* constant = nullptr;  // null unless it is a constant of the model
        std::vector<int64_t> dims{};         // what the model says of its shape
    };
    using Attribute = std::variant<int64_t, float, std::string, std::vector<int64_t>>;

    std::string name = "node";
    std::vector<Input> inputs{};
    std::map<std::string, Attribute> attributes{};
};

// One run of a kernel. An input that is left out is null.
struct OrtKernelContext {
    std::vector<const OrtValue*> inputs;
    OrtValue output{};     // the last that was asked for
    size_t outputs = 1;    // that the node has
    size_t allocated = 0;  // of them
    size_t threads = 1;    // of parallel_for
};

namespace onnxdc::fake {

// An output that takes more than these bytes is refused, as if there were no memory for it.
constexpr int64_t kMaxOutputBytes = int64_t{1} << 26;

// What the operators hold and have yet to release: statuses, descriptions of types, allocators and their memory.
inline std::atomic<long> held{0};

// How deep this thread is in functions of the runtime: what a test makes of allocations is about the operators' own.
inline thread_local int depth = 0;

struct Inside {
    Inside() { ++depth; }
    ~Inside() { --depth; }
};

inline OrtStatus* fail(const char* message) {
    ++held;
    return new OrtStatus{kOrtFail, message};
}

template <class T>
OrtStatus* give(T** out, T value) {
    const Inside inside;
    *out = new T(std::move(value));
    ++held;
    return nullptr;
}

template <class T>
void take_back(T* owned) {
    const Inside inside;
    delete owned;
    --held;
}

template <class T>
const T* attribute(const OrtKernelInfo* info, const char* name) {
    const auto found = info->attributes.find(name);
    return found == info->attributes.end() ? nullptr : std::get_if<T>(&found->second);
}

// A text, or only its size if there is no room for it; both count the final zero.
inline OrtStatus* copy_text(const std::string& text, char* out, size_t* size) {
    if (out && *size < text.size() + 1) return fail("the text is longer");
    if (out) std::memcpy(out, text.c_str(), text.size() + 1);
    *size = text.size() + 1;
    return nullptr;
}

template <class T>
OrtStatus* get_attribute(const OrtKernelInfo* info, const char* name, T* out) {
    const Inside inside;
    const T* value = attribute<T>(info, name);
    if (!value) return fail("no such attribute");
    *out = *value;
    return nullptr;
}

inline OrtStatus* get_integers(const OrtKernelInfo* info, const char* name, int64_t* out, size_t* count) {
    const Inside inside;
    const auto* values = attribute<std::vector<int64_t>>(info, name);
    if (!values) return fail("no such attribute");
    if (out && *count < values->size()) return fail("there are more");
    if (out) std::copy(values->begin(), values->end(), out);
    *count = values->size();
    return nullptr;
}

inline OrtStatus* get_output(OrtKernelContext* context, size_t index, const int64_t* dims, size_t rank,
                             OrtValue** out) {
    const Inside inside;
    if (index >= context->outputs) return fail("no such output");
    ++context->allocated;
    int64_t nbytes = sizeof(float);
    for (size_t i = 0; i < rank; ++i) {
        if (dims[i] < 0 || __builtin_mul_overflow(nbytes, dims[i], &nbytes)) return fail("no shape");
    }
    if (nbytes > kMaxOutputBytes) return fail("too large an output");
    context->output = {kFloat, {dims, dims + rank}, std::vector<uint8_t>(static_cast<size_t>(nbytes))};
    *out = &context->output;
    return nullptr;
}

// Tasks are taken in turn by as many threads as the run has.
inline OrtStatus* parallel_for(const OrtKernelContext* context, void (*task)(void* user, size_t index), size_t total,
                               size_t, void* user) {
    const Inside inside;
    const auto work = [&](size_t first) {
        const int outer = std::exchange(depth, 0);
        for (size_t i = first; i < total; i += context->threads) task(user, i);
        depth = outer;
    };
    std::vector<std::thread> threads;
    for (size_t i = 1; i < context->threads; ++i) threads.emplace_back(work, i);
    work(0);
    for (std::thread& thread : threads) thread.join();
    return nullptr;
}

// Other bytes each time: no output may depend on them. Kernels do read scratch memory that they have not written, to
// multiply it by zero, which valgrind would take for a fault.
inline void fill_with_anything(void* memory, size_t nbytes) {
    static std::atomic<uint32_t> seed{0};
    uint32_t state = seed += 0x9e3779b9u;
    for (size_t i = 0; i < nbytes; ++i) {
        state = state * 1664525u + 1013904223u;
        static_cast<uint8_t*>(memory)[i] = static_cast<uint8_t>(state >> 24);
    }
}

inline OrtApi make_api() {
    OrtApi api{};
    api.CreateStatus = [](int code, const char* message) {
        const Inside inside;
        ++held;
        return new OrtStatus{code, message};
    };
    api.GetErrorMessage = [](const OrtStatus* status) { return status->message.c_str(); };
    api.ReleaseStatus = take_back<OrtStatus>;
    api.CreateCustomOpDomain = [](const char*, OrtCustomOpDomain** out) -> OrtStatus* {
        const Inside inside;
        *out = new OrtCustomOpDomain;  // lives as long as the program
        return nullptr;
    };
    api.CustomOpDomain_Add = [](OrtCustomOpDomain* domain, const OrtCustomOp* op) -> OrtStatus* {
        const Inside inside;
        domain->ops.push_back(op);
        return nullptr;
    };
    api.AddCustomOpDomain = [](OrtSessionOptions* options, OrtCustomOpDomain* domain) -> OrtStatus* {
        const Inside inside;
        options->domains.push_back(domain);
        return nullptr;
    };
    api.GetTensorMutableData = [](OrtValue* value, void** out) -> OrtStatus* {
        *out = value->bytes.data();
        return nullptr;
    };
    api.CastTypeInfoToTensorInfo = [](const OrtTypeInfo* info, const OrtTensorTypeAndShapeInfo** out) -> OrtStatus* {
        *out = &info->tensor;
        return nullptr;
    };
    api.GetTensorElementType = [](const OrtTensorTypeAndShapeInfo* info, int* out) -> OrtStatus* {
        *out = info->type;
        return nullptr;
    };
    api.GetDimensionsCount = [](const OrtTensorTypeAndShapeInfo* info, size_t* out) -> OrtStatus* {
        *out = info->dims.size();
        return nullptr;
    };
    api.GetDimensions = [](const OrtTensorTypeAndShapeInfo* info, int64_t* dims, size_t) -> OrtStatus* {
        std::copy(info->dims.begin(), info->dims.end(), dims);
        return nullptr;
    };
    api.GetTensorTypeAndShape = [](const OrtValue* value, OrtTensorTypeAndShapeInfo** out) {
        return give(out, {value->type, value->dims});
    };
    api.ReleaseTensorTypeAndShapeInfo = take_back<OrtTensorTypeAndShapeInfo>;
    api.ReleaseTypeInfo = take_back<OrtTypeInfo>;
    api.CreateCpuMemoryInfo = [](int, int, OrtMemoryInfo** out) -> OrtStatus* {
        static OrtMemoryInfo cpu;
        *out = &cpu;
        return nullptr;
    };
    api.KernelContext_GetAllocator = [](const OrtKernelContext*, const OrtMemoryInfo*, OrtAllocator** out) {
        return give(out, {});
    };
    api.ReleaseAllocator = take_back<OrtAllocator>;
    api.AllocatorAlloc = [](OrtAllocator*, size_t nbytes, void** out) -> OrtStatus* {
        const Inside inside;
        *out = nbytes > size_t{16} * kMaxOutputBytes ? nullptr : std::malloc(nbytes);
        if (!*out) return fail("no memory");
        fill_with_anything(*out, nbytes);
        ++held;
        return nullptr;
    };
    api.AllocatorFree = [](OrtAllocator*, void* memory) -> OrtStatus* {
        std::free(memory);
        --held;
        return nullptr;
    };
    api.KernelInfoGetAttribute_float = get_attribute<float>;
    api.KernelInfoGetAttribute_int64 = get_attribute<int64_t>;
    api.KernelInfoGetAttribute_string = [](const OrtKernelInfo* info, const char* name, char* out, size_t* size) {
        const Inside inside;
        const auto* text = attribute<std::string>(info, name);
        return text ? copy_text(*text, out, size) : fail("no such attribute");
    };
    api.KernelInfoGetAttributeArray_float = [](const OrtKernelInfo*, const char*, float*, size_t*) {
        const Inside inside;
        return fail("no such attribute");
    };
    api.KernelInfoGetAttributeArray_int64 = get_integers;
    api.KernelInfo_GetInputName = [](const OrtKernelInfo* info, size_t index, char* out, size_t* size) {
        const Inside inside;
        return index < info->inputs.size() ? copy_text(info->inputs[index].name, out, size) : fail("no such input");
    };
    api.KernelInfo_GetInputTypeInfo = [](const OrtKernelInfo* info, size_t index, OrtTypeInfo** out) {
        const Inside inside;
        return index < info->inputs.size() ? give(out, {{kFloat, info->inputs[index].dims}}) : fail("no such input");
    };
    api.KernelInfo_GetNodeName = [](const OrtKernelInfo* info, char* out, size_t* size) {
        const Inside inside;
        return copy_text(info->name, out, size);
    };
    api.KernelInfoGetConstantInput_tensor = [](const OrtKernelInfo* info, size_t index, int* is_constant,
                                               const OrtValue** out) -> OrtStatus* {
        *out = index < info->inputs.size() ? info->inputs[index].constant : nullptr;
        *is_constant = *out != nullptr;
        return nullptr;
    };
    api.CopyKernelInfo = [](const OrtKernelInfo* info, OrtKernelInfo** out) {
        const Inside inside;
        return give(out, OrtKernelInfo(*info));
    };
    api.ReleaseKernelInfo = take_back<OrtKernelInfo>;
    api.KernelContext_GetInputCount = [](const OrtKernelContext* context, size_t* out) -> OrtStatus* {
        *out = context->inputs.size();
        return nullptr;
    };
    api.KernelContext_GetInput = [](const OrtKernelContext* context, size_t index, const OrtValue** out) -> OrtStatus* {
        *out = context->inputs[index];
        return nullptr;
    };
    api.KernelContext_GetOutputCount = [](const OrtKernelContext* context, size_t* out) -> OrtStatus* {
        *out = context->outputs;
        return nullptr;
    };
    api.KernelContext_GetOutput = get_output;
    api.KernelContext_ParallelFor = parallel_for;
    return api;
}

inline const OrtApi& api() {
    static const OrtApi table = make_api();
    return table;
}

inline const OrtApiBase& base() {
    static const OrtApiBase base{[](uint32_t) -> const OrtApi* { return &api(); }, [] { return "a fake"; }};
    return base;
}

// Releases a status; answers whether it was success. What went wrong is added to `message` if it is given.
inline bool succeeds(OrtStatus* status, std::string* message = nullptr) {
    const Inside inside;
    if (!status) return true;
    if (message) *message = status->message;
    api().ReleaseStatus(status);
    return false;
}

// All operators of the domain, in the order in which they are registered. None if that fails.
inline std::vector<const OrtCustomOp*> registered_ops() {
    OrtSessionOptions options;
    if (!succeeds(RegisterCustomOps(&options, &base())) || options.domains.empty()) return {};
    const Inside inside;
    return options.domains[0]->ops;
}

inline const OrtCustomOp* find_op(const std::string& name) {
    for (const OrtCustomOp* op : registered_ops()) {
        if (name == op->GetName(op)) return op;
    }
    return nullptr;
}

// The kernel of one node; null if it could not be created.
class Kernel {
public:
    Kernel(const OrtCustomOp* op, const OrtKernelInfo& info, std::string* message = nullptr) : op_(op) {
        if (!succeeds(op->CreateKernelV2(op, &api(), &info, &kernel_), message)) kernel_ = nullptr;
    }
    ~Kernel() {
        if (kernel_) op_->KernelDestroy(kernel_);
    }
    Kernel(const Kernel&) = delete;
    Kernel& operator=(const Kernel&) = delete;

    explicit operator bool() const { return kernel_ != nullptr; }
    bool run(OrtKernelContext* context, std::string* message = nullptr) const {
        return succeeds(op_->KernelComputeV2(kernel_, context), message);
    }

private:
    const OrtCustomOp* op_;
    void* kernel_ = nullptr;
};

}  // namespace onnxdc::fake
