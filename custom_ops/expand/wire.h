// Protocol buffers as they lie in a file, nothing of it trusted: a message is fields one after the other, each with a
// number, a type and a value. What a field means is for others to say; all of them can be copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace onnxdc::expansion {

// Bytes that someone else owns.
struct Bytes {
    const uint8_t* data = nullptr;
    size_t size = 0;

    std::string_view text() const { return {reinterpret_cast<const char*>(data), size}; }
};

enum WireType : unsigned {
    kVarint = 0,
    kFixed64 = 1,
    kDelimited = 2,  // a message, a text, bytes, or packed numbers
    kGroup = 3,      // an old form of a message; ONNX has none, so these are only skipped
    kGroupEnd = 4,
    kFixed32 = 5,
};

struct Field {
    uint32_t number = 0;
    WireType wire = kVarint;
    Bytes whole;         // with its number, type and length
    Bytes content;       // of one that is delimited, or of a fixed size
    uint64_t value = 0;  // of a varint

    bool is(uint32_t wanted, WireType type) const { return number == wanted && wire == type; }
};

// Reads the fields of a message. A reader that goes beyond the message, or a length that does, is a Failure.
class FieldReader {
public:
    // `what` is the message in words, for errors.
    FieldReader(Bytes message, const char* what) : at_(message.data), left_(message.size), what_(what) {}

    // Answers whether there was one more.
    bool next(Field* field);

    bool at_end() const { return left_ == 0; }
    uint64_t varint();

private:
    Bytes take(uint64_t size);
    uint32_t tag();
    void read_value(Field* field);
    void skip_group(uint32_t number);
    [[noreturn]] void fail(const char* why) const;

    const uint8_t* at_;
    size_t left_;
    const char* what_;
};

// Calls use(uint64_t) for each number of a field of varints, which may be packed.
template <class Use>
void for_each_varint(const Field& field, const char* what, const Use& use) {
    if (field.wire == kVarint) use(field.value);
    if (field.wire != kDelimited) return;
    for (FieldReader numbers(field.content, what); !numbers.at_end();) use(numbers.varint());
}

// Fields as they are written.
void append_varint(uint64_t value, std::string* out);
void append_tag(uint32_t number, WireType wire, std::string* out);
void append_number(uint32_t number, uint64_t value, std::string* out);
void append_text(uint32_t number, std::string_view text, std::string* out);

}  // namespace onnxdc::expansion
