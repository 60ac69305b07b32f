// Decoding a whole weight: to its nonzeros, to a code for each element, or into a dense array.
#pragma once

#include "decoder/check.h"
#include "decoder/weight.h"

namespace onnxdc {

// Decodes a float32 weight to its nonzeros. Fails where a stream breaks a rule.
Verdict decode_sparse(const CheckedGroup& group, SparseWeight* weight);

// Decodes a float32 weight to the codes of its elements. Fails where a stream breaks a rule.
Verdict decode_codes(const CheckedGroup& group, ElementCodes* weight);

// Decodes a weight of any type into `dense`: numel elements of group.dtype, each of element_size(group.dtype) bytes,
// all zero before the call. What they hold after a failure is undefined.
Verdict decode_dense(const CheckedGroup& group, void* dense);

}  // namespace onnxdc
