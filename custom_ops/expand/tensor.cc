#include "expand/tensor.h"

#include <cstring>
#include <limits>
#include <string>

#include "expand/failure.h"
#include "expand/onnx.h"

namespace onnxdc::expansion {
namespace {

constexpr const char* kTensor = "a tensor";

[[noreturn]] void fail(std::string_view name, const std::string& why) {
    throw Failure{ONNXDC_BAD_WEIGHT, "tensor-type: " + shown(name) + ": " + why};
}

// A TensorProto, with the numbers that do not lie in `raw` appended to `typed` as elements.
struct Proto {
    std::string_view name;
    std::vector<int64_t> dims;
    uint64_t type = 0;
    bool has_raw = false, external = false;
    Bytes raw;
    std::vector<Field> typed;
};

Proto read_proto(Bytes message) {
    Proto proto;
    Field field;
    for (FieldReader fields(message, kTensor); fields.next(&field);) {
        switch (field.number) {
            case kTensorDims:
                for_each_varint(field, kTensor, [&](uint64_t dim) { proto.dims.push_back(static_cast<int64_t>(dim)); });
                break;
            case kTensorType:
                if (field.wire == kVarint) proto.type = field.value;
                break;
            case kTensorName:
                if (field.wire == kDelimited) proto.name = field.content.text();
                break;
            case kTensorRaw:
                if (field.wire != kDelimited) break;
                proto.has_raw = true;
                proto.raw = field.content;
                break;
            case kTensorLocation:
                if (field.wire == kVarint) proto.external = field.value == 1;
                break;
            case kTensorFloats:
            case kTensorInts:
            case kTensorLongs:
            case kTensorDoubles: proto.typed.push_back(field); break;
            default: break;
        }
    }
    return proto;
}

// The field that has the elements of a type one by one.
uint32_t typed_field(int32_t type) {
    switch (type) {
        case kFloat: return kTensorFloats;
        case kDouble: return kTensorDoubles;
        case kInt64: return kTensorLongs;
        default: return kTensorInts;
    }
}

void append(const void* bytes, size_t size, std::vector<uint8_t>* out) {
    const auto* begin = static_cast<const uint8_t*>(bytes);
    out->insert(out->end(), begin, begin + size);
}

// The elements that lie in fields of their type. Each takes a byte of the model at least, so they cannot be many more.
std::vector<uint8_t> typed_elements(const Proto& proto, int32_t type) {
    const size_t size = element_size(type);
    std::vector<uint8_t> elements;
    for (const Field& field : proto.typed) {
        if (field.number != typed_field(type)) continue;
        if (type == kFloat || type == kDouble) {
            if (field.wire != kVarint) append(field.content.data, field.content.size, &elements);
        } else {
            // The lowest bytes: numbers below 0 are written with the sign in all bits.
            for_each_varint(field, kTensor, [&](uint64_t number) { append(&number, size, &elements); });
        }
    }
    return elements;
}

// The bytes of all elements.
uint64_t expected_nbytes(const Proto& proto, size_t element_nbytes) {
    constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
    uint64_t nbytes = element_nbytes;
    bool empty = false;
    for (const int64_t dim : proto.dims) {
        if (dim < 0) fail(proto.name, "dimension " + std::to_string(dim));
        empty |= dim == 0;
        if (dim > 0 && nbytes > kMost / static_cast<uint64_t>(dim)) fail(proto.name, "more elements than can be");
        nbytes *= dim > 0 ? static_cast<uint64_t>(dim) : 1;
    }
    return empty ? 0 : nbytes;
}

uint64_t read_integer(std::string_view text, std::string_view key, std::string_view name) {
    uint64_t value = 0;
    bool right = !text.empty() && text.size() <= 18;
    for (const char digit : text) {
        right = right && digit >= '0' && digit <= '9';
        value = value * 10 + static_cast<uint64_t>(digit - '0');
    }
    if (right) return value;
    throw Failure{ONNXDC_EXTERNAL_DATA, shown(name) + ": external data: expected an integer for " + std::string(key) +
                                            ", got '" + shown(text) + "'"};
}

}  // namespace

Location read_location(Bytes message, std::string_view name) {
    Location location;
    Field field;
    for (FieldReader fields(message, kTensor); fields.next(&field);) {
        if (!field.is(kTensorExternal, kDelimited)) continue;
        std::string_view key, value;
        Field part;
        for (FieldReader entry(field.content, "external data"); entry.next(&part);) {
            if (part.is(kEntryKey, kDelimited)) key = part.content.text();
            if (part.is(kEntryValue, kDelimited)) value = part.content.text();
        }
        if (key == "location") location.file = value;
        if (key == "offset") location.offset = read_integer(value, key, name);
        if (key == "length") location.length = read_integer(value, key, name);
        location.has_length |= key == "length";
    }
    return location;
}

GroupTensor read_tensor(Bytes message, ExternalData* external) {
    Proto proto = read_proto(message);
    GroupTensor tensor;
    // What is no type of ONNX becomes 0, which no rule of the format allows.
    tensor.type = proto.type <= INT16_MAX ? static_cast<int32_t>(proto.type) : 0;
    const size_t size = element_size(tensor.type);
    const uint64_t nbytes = expected_nbytes(proto, size);
    tensor.dims = std::move(proto.dims);
    // Two elements of four bits share a byte of the model, which no tensor of a group does.
    if (size == 0 || tensor.type == kInt4 || tensor.type == kUint4) return tensor;
    if (proto.external) {
        tensor.owned = external->read(read_location(message, proto.name), proto.name, nbytes);
    } else if (proto.has_raw) {
        tensor.bytes = proto.raw;
    } else {
        tensor.owned = typed_elements(proto, tensor.type);
    }
    if (!proto.has_raw || proto.external) tensor.bytes = {tensor.owned.data(), tensor.owned.size()};
    if (tensor.bytes.size != nbytes) {
        fail(proto.name, "expected " + std::to_string(nbytes) + " bytes, got " + std::to_string(tensor.bytes.size));
    }
    return tensor;
}

}  // namespace onnxdc::expansion
