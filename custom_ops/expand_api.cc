// The part of include/onnxdc.h that unpacks models. No exception leaves it.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "expand/expand.h"
#include "expand/failure.h"
#include "include/onnxdc.h"

namespace {

using namespace onnxdc;
using namespace onnxdc::expansion;

// Copies a text, cut where it is too long, with its final zero.
void copy_text(const std::string& text, char* out, size_t size) {
    if (size == 0) return;
    const size_t length = std::min(text.size(), size - 1);
    std::memcpy(out, text.data(), length);
    out[length] = 0;
}

// Runs something, and answers how it ended.
template <class Body>
int guarded(char* error, size_t error_size, const Body& body) {
    try {
        copy_text("", error, error_size);
        body();
        return ONNXDC_OK;
    } catch (const Failure& failure) {
        copy_text(failure.text, error, error_size);
        return failure.result;
    } catch (const std::bad_alloc&) {
        copy_text("memory ran out", error, error_size);
    } catch (const std::exception& other) {
        copy_text(other.what(), error, error_size);
    }
    return ONNXDC_MEMORY;
}

}  // namespace

extern "C" int onnxdc_expand_file(const char* model_path, const char* out_path, uint64_t limit, char* error,
                                  size_t error_size) {
    return guarded(error, error_size, [&] { expand_file(model_path, out_path, {limit}); });
}

extern "C" int onnxdc_expand_buffer(const void* model, size_t size, void** out, size_t* out_size, uint64_t limit,
                                    char* error, size_t error_size) {
    *out = nullptr;
    *out_size = 0;
    return guarded(error, error_size, [&] {
        Buffer buffer = expand_buffer({static_cast<const uint8_t*>(model), size}, {limit});
        *out_size = buffer.size;
        *out = buffer.bytes.release();
    });
}

extern "C" void onnxdc_free(void* out) { std::free(out); }

extern "C" const char* onnxdc_version() { return ONNXDC_VERSION; }
