// A tensor of a weight group as it lies in a model, and as the decoder takes it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "decoder/weight_group.h"
#include "expand/wire.h"

namespace onnxdc::expansion {

// Where the data of a tensor lie outside of the model. Nothing of it is checked.
struct Location {
    std::string_view file;
    uint64_t offset = 0;
    bool has_length = false;
    uint64_t length = 0;
};

// Reads data that lie outside of the model.
class ExternalData {
public:
    virtual ~ExternalData() = default;

    // All bytes of a tensor called `name`, which has `nbytes`; a Failure if they cannot be had.
    virtual std::vector<uint8_t> read(const Location& location, std::string_view name, uint64_t nbytes) = 0;
};

struct GroupTensor {
    std::vector<int64_t> dims;
    int32_t type = 0;
    Bytes bytes;                 // as many as dims and type say; none of a type that no group has
    std::vector<uint8_t> owned;  // what `bytes` points to, unless that is the model

    TensorView view() const { return {bytes.data, dims.data(), static_cast<int32_t>(dims.size()), type}; }
};

// Reads a TensorProto. A Failure that names the rule `tensor-type` where it does not have the data that it should have.
GroupTensor read_tensor(Bytes message, ExternalData* external);

// Where the data of an external TensorProto lie.
Location read_location(Bytes message, std::string_view name);

}  // namespace onnxdc::expansion
