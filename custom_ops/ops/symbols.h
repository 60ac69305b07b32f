// SparseSymbols: what it yields only the portable bodies of the other operators read. Its kernel yields nothing, so
// that nothing is decoded twice where the library is loaded.
#pragma once

#include <string>

#include "abi/ort_c_api.h"

namespace onnxdc {

// The runtime's description of one of the operators SparseSymbols, SparseSymbols2, ...
class SymbolsOp : public OrtCustomOp {
public:
    explicit SymbolsOp(const std::string& name);

private:
    const std::string name_;
};

}  // namespace onnxdc
