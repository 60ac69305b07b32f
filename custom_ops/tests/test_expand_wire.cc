// Fields of protocol buffers: whole ones, and those that are damaged.
#include "check.h"
#include "expand/failure.h"
#include "model_builder.h"

using namespace onnxdc;
using namespace onnxdc::expansion;

namespace {

// How many fields a message has, -1 if it is damaged. The bytes lie in an allocation of their size.
int count_fields(const std::string& message) {
    const std::vector<uint8_t> bytes(message.begin(), message.end());
    int count = 0;
    try {
        Field field;
        for (FieldReader fields({bytes.data(), bytes.size()}, "a test"); fields.next(&field); ++count) {
            CHECK(field.whole.data >= bytes.data());
            CHECK(field.whole.data + field.whole.size <= bytes.data() + bytes.size());
        }
    } catch (const Failure& failure) {
        CHECK(failure.result == ONNXDC_BAD_MODEL && !failure.text.empty());
        return -1;
    }
    return count;
}

void test_numbers() {
    for (const uint64_t value :
         {uint64_t{0}, uint64_t{1}, uint64_t{127}, uint64_t{128}, uint64_t{1} << 63, UINT64_MAX}) {
        const Proto proto = Proto().number(3, value);
        Field field;
        FieldReader fields(bytes_of(proto.bytes()), "a test");
        CHECK(fields.next(&field) && field.is(3, kVarint) && field.value == value);
        CHECK(!fields.next(&field));
        for (size_t cut = 1; cut < proto.bytes().size(); ++cut) CHECK(count_fields(proto.bytes().substr(0, cut)) == -1);
    }
    CHECK(count_fields("\x08" + std::string(10, '\xff')) == -1);
    CHECK(count_fields("\x08" + std::string(9, '\x80') + '\x01') == 1);
}

void test_lengths() {
    CHECK(count_fields("") == 0);
    CHECK(count_fields({"\x0a\x00", 2}) == 1);
    CHECK(count_fields("\x0a\x02z") == -1);
    CHECK(count_fields("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01z") == -1);
    CHECK(count_fields(std::string("\x09") + std::string(7, 'x')) == -1);
    CHECK(count_fields(std::string("\x09") + std::string(8, 'x')) == 1);
    CHECK(count_fields("\x0dxyz") == -1);
    CHECK(count_fields("\x0dwxyz") == 1);
}

void test_tags() {
    CHECK(count_fields({"\x00\x00", 2}) == -1);                 // number 0
    CHECK(count_fields({"\x02\x00", 2}) == -1);                 // number 0
    CHECK(count_fields("\x0ex") == -1);                         // type 6
    CHECK(count_fields("\x0c") == -1);                          // the end of a group that did not begin
    CHECK(count_fields("\xf8\xff\xff\xff\xff\x01\x01") == -1);  // a number beyond 2^29
}

void test_groups() {
    CHECK(count_fields("\x0b\x0c") == 1);
    CHECK(count_fields("\x0b\x10\x01\x13\x14\x0c\x10\x02") == 2);
    CHECK(count_fields("\x0b") == -1);
    CHECK(count_fields("\x0b\x14") == -1);
    CHECK(count_fields(std::string(99, '\x0b') + std::string(99, '\x0c')) == 1);
    CHECK(count_fields(std::string(1000000, '\x0b')) == -1);
}

void test_packed_numbers() {
    std::vector<uint64_t> got;
    const auto use = [&](uint64_t number) { got.push_back(number); };
    Field field;
    const std::string bytes = Proto().text(1, "\x05\x80\x01").number(1, 7).raw("\x0dwxyz").bytes();
    for (FieldReader fields(bytes_of(bytes), "a test"); fields.next(&field);) for_each_varint(field, "a test", use);
    CHECK((got == std::vector<uint64_t>{5, 128, 7}));
}

void test_shown() {
    CHECK(shown("layer.1") == "layer.1");
    CHECK(shown("a\nb\x1b[0m") == "a\\x0ab\\x1b[0m");
    CHECK(shown(std::string(5000, 'x')).size() < 200);
}

}  // namespace

int main() {
    test_numbers();
    test_lengths();
    test_tags();
    test_groups();
    test_packed_numbers();
    test_shown();
    return check::finish();
}
