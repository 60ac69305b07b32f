// The C interface of the library, for onnxdc/runtime/native.py. No exception and no C++ type crosses it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>

#include "decoder/decode.h"
#include "include/onnxdc.h"
#include "isa/isa.h"

#define ONNXDC_EXPORT extern "C" ONNXDC_API

namespace {

using namespace onnxdc;

// Counts up with every change of a function or a structure here, together with onnxdc/runtime/native.py. Libraries of
// interface 1 cannot tell it.
constexpr uint32_t kInterface = 3;

constexpr int kSuccess = 0;
constexpr int kFailure = -1;

// Copies a text, cut where it is too long, with its final zero.
void copy_text(const char* text, char* out, uint64_t size) {
    if (size == 0) return;
    const size_t length = std::min<size_t>(std::strlen(text), size - 1);
    std::memcpy(out, text, length);
    out[length] = 0;
}

// Runs something that writes a text and answers a result; copies the text out, or what was thrown.
template <class Body>
int guarded_text(char* out, uint64_t size, Body body) {
    try {
        std::string text;
        const int result = body(&text);
        copy_text(text.c_str(), out, size);
        return result;
    } catch (const std::exception& error) {
        copy_text(error.what(), out, size);
        return kFailure;
    }
}

// The same for something that answers a Verdict: 1 + the number of the rule, with its detail.
template <class Body>
int guarded_verdict(char* detail, uint64_t size, Body body) {
    return guarded_text(detail, size, [&](std::string* text) {
        const Verdict broken = body();
        if (!broken) return kSuccess;
        *text = broken->detail;
        return 1 + static_cast<int>(broken->rule);
    });
}

}  // namespace

// Answers which version of this interface the library has, and writes the bytes of the WeightGroup that it takes. A
// caller of another version, or with another structure, must call nothing else.
ONNXDC_EXPORT uint32_t onnxdc_interface(uint64_t* weight_group_nbytes) {
    *weight_group_nbytes = sizeof(WeightGroup);
    return kInterface;
}

// Writes the name of the instruction set that the kernels use, or, with kFailure, why there is none.
ONNXDC_EXPORT int32_t onnxdc_isa(char* text, uint64_t text_size) {
    return guarded_text(text, text_size, [](std::string* answer) {
        Isa isa;
        if (!choose_isa_from_environment(&isa, answer)) return kFailure;
        *answer = isa_name(isa);
        return kSuccess;
    });
}

// Writes the names of the instruction sets that this machine has, the fastest first, with spaces between.
ONNXDC_EXPORT int32_t onnxdc_supported_isas(char* text, uint64_t text_size) {
    return guarded_text(text, text_size, [](std::string* answer) {
        for (Isa isa : supported_isas()) *answer += (answer->empty() ? "" : " ") + std::string(isa_name(isa));
        return kSuccess;
    });
}

// The name of the rule that a result above 0 stands for.
ONNXDC_EXPORT const char* onnxdc_rule_name(int32_t result) { return rule_name(static_cast<Rule>(result - 1)); }

// Checks all that can be checked without decoding. The shape of a group that passes can be allocated.
ONNXDC_EXPORT int32_t onnxdc_check_weight(const WeightGroup* group, char* detail, uint64_t detail_size) {
    return guarded_verdict(detail, detail_size, [&] {
        CheckedGroup checked;
        return check_group(*group, &checked);
    });
}

// Checks and decodes into `dense`: as many elements of the group's dtype as its shape has, all zero before the call. An
// element of four bits is the lower nibble of a byte of its own, as in numpy.
ONNXDC_EXPORT int32_t onnxdc_decode_weight(const WeightGroup* group, void* dense, char* detail, uint64_t detail_size) {
    return guarded_verdict(detail, detail_size, [&] {
        CheckedGroup checked;
        Verdict broken = check_group(*group, &checked);
        return broken ? broken : decode_dense(checked, dense);
    });
}
