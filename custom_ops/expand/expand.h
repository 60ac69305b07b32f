// From a compressed model to one whose dense layers have plain weights: what include/onnxdc.h promises, with Failures
// and C++ types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "expand/wire.h"

namespace onnxdc::expansion {

// What a model may become.
struct Limits {
    uint64_t dense_nbytes = 0;                   // of unpacked weights; 0 for what the model's own bytes allow
    uint64_t message_nbytes = (1ull << 31) - 1;  // of a model: protocol buffers read no more. Tests have less
};

struct Free {
    void operator()(void* memory) const { std::free(memory); }
};

// Memory that a caller in C can have.
struct Buffer {
    std::unique_ptr<uint8_t[], Free> bytes;
    size_t size = 0;
};

Buffer expand_buffer(Bytes model, const Limits& limits);

void expand_file(const std::string& model_path, const std::string& out_path, const Limits& limits);

}  // namespace onnxdc::expansion
