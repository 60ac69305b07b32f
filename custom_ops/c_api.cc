// The C interface of the library, for onnxdc/native.py. No exception and no C++ type crosses it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>

#include "decoder/decode.h"

#define ONNXDC_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

using namespace onnxdc;

constexpr int kSuccess = 0;
constexpr int kFailure = -1;

// Copies a text, cut where it is too long, with its final zero.
void copy_text(const char* text, char* out, uint64_t size) {
    if (size == 0) return;
    const size_t length = std::min<size_t>(std::strlen(text), size - 1);
    std::memcpy(out, text, length);
    out[length] = 0;
}

// Runs something that answers a Verdict. The result is kSuccess, 1 + the number of the rule, or kFailure when memory runs out.
template <class Body>
int guarded(char* detail, uint64_t detail_size, Body body) {
    try {
        const Verdict broken = body();
        if (!broken) return kSuccess;
        copy_text(broken->detail.c_str(), detail, detail_size);
        return 1 + static_cast<int>(broken->rule);
    } catch (const std::exception& error) {
        copy_text(error.what(), detail, detail_size);
        return kFailure;
    }
}

}  // namespace

// The name of the rule that a result above 0 stands for.
ONNXDC_EXPORT const char* onnxdc_rule_name(int32_t result) { return rule_name(static_cast<Rule>(result - 1)); }

// Checks all that can be checked without decoding. A group that passes has a valid shape, so its dense size can be allocated.
ONNXDC_EXPORT int32_t onnxdc_check_weight(const WeightGroup* group, char* detail, uint64_t detail_size) {
    return guarded(detail, detail_size, [&] {
        CheckedGroup checked;
        return check_group(*group, &checked);
    });
}

// Checks and decodes into `dense`: as many elements of the group's dtype as its shape has, all zero before the call.
ONNXDC_EXPORT int32_t onnxdc_decode_weight(const WeightGroup* group, void* dense, char* detail, uint64_t detail_size) {
    return guarded(detail, detail_size, [&] {
        CheckedGroup checked;
        Verdict broken = check_group(*group, &checked);
        return broken ? broken : decode_dense(checked, dense);
    });
}
