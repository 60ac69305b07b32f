// Thin helpers over the C ABI: shapes are owned, and a failing status becomes an exception, which ops/op.h turns back.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "abi/ort_c_api.h"

namespace onnxdc::ort {

// What a call of the runtime answered, or what an operator has to say; `code` is an OrtErrorCode.
class Error : public std::runtime_error {
public:
    Error(int code, const std::string& message) : std::runtime_error(message), code(code) {}
    const int code;
};

// Throws what a status says, unless it is success. Takes the status over.
void check(const OrtApi& api, OrtStatus* status);

// A tensor of the runtime: its data lives as long as the kernel (a constant input) or the call of compute (any other).
struct Tensor {
    std::vector<int64_t> dims;
    int32_t type = 0;
    const void* data = nullptr;

    // Elements; 1 for a scalar.
    int64_t numel() const;
};

// Gives a description of a node back to the runtime.
struct ReleaseInfo {
    const OrtApi* api = nullptr;

    void operator()(OrtKernelInfo* info) const;
};

using OwnedInfo = std::unique_ptr<OrtKernelInfo, ReleaseInfo>;

// What a kernel can ask when it is created, or later of a copy.
class KernelInfo {
public:
    KernelInfo(const OrtApi& api, const OrtKernelInfo* info) : api_(api), info_(info) {}

    std::string node_name() const;
    // Empty for an optional input that is left out.
    std::string input_name(size_t index) const;
    // What the model says of an input's shape: -1 for a dimension that it leaves open, nothing where it leaves open how
    // many there are. A run may come with another shape.
    std::vector<int64_t> input_dims(size_t index) const;
    // Answers whether the runtime shows the input as a constant of the model, and fills `tensor` if so.
    bool constant_input(size_t index, Tensor* tensor) const;

    // An attribute, or the fallback if the node does not have it. Throws where it has another type.
    int64_t attribute(const char* name, int64_t fallback) const;
    float attribute(const char* name, float fallback) const;
    std::string attribute(const char* name, const char* fallback) const;
    std::vector<int64_t> attribute(const char* name, std::vector<int64_t> fallback) const;
    bool has_attribute(const char* name) const;

    // The runtime takes the description back once the kernel has been created; a copy may live as long as that.
    OwnedInfo copy() const;

    const OrtApi& api() const { return api_; }

private:
    bool succeeds(OrtStatus* status) const;

    const OrtApi& api_;
    const OrtKernelInfo* info_;
};

// Gives memory back to an allocator of the session, which it owns.
struct Release {
    const OrtApi* api = nullptr;
    OrtAllocator* allocator = nullptr;

    void operator()(void* memory) const;
};

using Memory = std::unique_ptr<void, Release>;

// What a kernel can ask while it computes. Several threads may do so at once, each with its own context.
class Context {
public:
    Context(const OrtApi& api, OrtKernelContext* context) : api_(api), context_(context) {}

    // A null data pointer and no dimensions for an optional input that is left out.
    bool has_input(size_t index) const;
    Tensor input(size_t index) const;
    // Allocates output 0.
    void* output(const std::vector<int64_t>& dims) const;
    // Takes memory from the session's allocator.
    Memory allocate(size_t nbytes) const;

    // Calls task(state, 0) .. task(state, count - 1) on the threads of the session. The tasks must not throw.
    void parallel_for(size_t count, void (*task)(void* state, size_t index), void* state) const;

private:
    const OrtValue* value(size_t index) const;

    const OrtApi& api_;
    OrtKernelContext* context_;
};

// "[2, 3]", for messages.
std::string shape_text(const std::vector<int64_t>& dims);

}  // namespace onnxdc::ort
