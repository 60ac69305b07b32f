// SparseSymbols and DynamicSymbols: what they yield only the portable bodies of the other operators read. Their kernels
// yield nothing, so that nothing is decoded twice where the library is loaded. A family of operators that comes later
// needs one of its own: in a library that has no kernels for them their bodies are run, and must not read nothing.
#pragma once

#include <string>

#include "abi/ort_c_api.h"

namespace onnxdc {

// The runtime's description of one of the operators SparseSymbols, SparseSymbols2, ..., or DynamicSymbols and so on.
class SymbolsOp : public OrtCustomOp {
public:
    explicit SymbolsOp(const std::string& name);

private:
    const std::string name_;
};

}  // namespace onnxdc
