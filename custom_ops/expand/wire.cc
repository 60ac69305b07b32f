#include "expand/wire.h"

#include <vector>

#include "expand/failure.h"

namespace onnxdc::expansion {
namespace {

// Groups in groups, a choice; the runtime allows a hundred.
constexpr size_t kMaxGroups = 100;
constexpr unsigned kTypeBits = 3;

}  // namespace

void FieldReader::fail(const char* why) const {
    throw Failure{ONNXDC_BAD_MODEL, std::string("no ONNX model: ") + what_ + " " + why};
}

Bytes FieldReader::take(uint64_t size) {
    if (size > left_) fail("is cut off");
    const Bytes taken{at_, static_cast<size_t>(size)};
    at_ += taken.size;
    left_ -= taken.size;
    return taken;
}

uint64_t FieldReader::varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t byte = *take(1).data;
        value |= uint64_t{byte & 0x7fu} << shift;
        if (!(byte & 0x80)) return value;
    }
    fail("has a number of more than ten bytes");
}

uint32_t FieldReader::tag() {
    const uint64_t tag = varint();
    if (tag > UINT32_MAX || tag >> kTypeBits == 0) fail("has a field without a number");
    return static_cast<uint32_t>(tag);
}

bool FieldReader::next(Field* field) {
    if (at_end()) return false;
    const uint8_t* begin = at_;
    const uint32_t of_field = tag();
    *field = {};
    field->number = of_field >> kTypeBits;
    field->wire = static_cast<WireType>(of_field & ((1u << kTypeBits) - 1));
    if (field->wire == kGroup)
        skip_group(field->number);
    else
        read_value(field);
    field->whole = {begin, static_cast<size_t>(at_ - begin)};
    return true;
}

void FieldReader::read_value(Field* field) {
    switch (field->wire) {
        case kVarint: field->value = varint(); return;
        case kFixed64: field->content = take(8); return;
        case kDelimited: field->content = take(varint()); return;
        case kFixed32: field->content = take(4); return;
        default: fail("has a field of an unknown type");
    }
}

void FieldReader::skip_group(uint32_t number) {
    std::vector<uint32_t> open{number};
    while (!open.empty()) {
        const uint32_t of_field = tag();
        Field field;
        field.wire = static_cast<WireType>(of_field & ((1u << kTypeBits) - 1));
        if (field.wire == kGroup) {
            open.push_back(of_field >> kTypeBits);
            if (open.size() > kMaxGroups) fail("has too many groups in groups");
        } else if (field.wire == kGroupEnd) {
            if (open.back() != of_field >> kTypeBits) fail("has a group with another end");
            open.pop_back();
        } else {
            read_value(&field);
        }
    }
}

void append_varint(uint64_t value, std::string* out) {
    for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
    out->push_back(static_cast<char>(value));
}

void append_tag(uint32_t number, WireType wire, std::string* out) {
    append_varint(uint64_t{number} << kTypeBits | wire, out);
}

void append_number(uint32_t number, uint64_t value, std::string* out) {
    append_tag(number, kVarint, out);
    append_varint(value, out);
}

void append_text(uint32_t number, std::string_view text, std::string* out) {
    append_tag(number, kDelimited, out);
    append_varint(text.size(), out);
    out->append(text);
}

}  // namespace onnxdc::expansion
