// Ranges of a weight that is kept as codes: every instruction set, size of codebook and length of a group.
#include <random>

#include "check.h"
#include "kernels/code_table.h"

using namespace onnxdc;

namespace {

struct Case {
    int64_t codes;
    int64_t groups;
    int64_t span;
};

ElementCodes random_codes(const Case& c, size_t count, std::mt19937& random) {
    ElementCodes weight;
    weight.codes_per_group = c.codes;
    weight.groups = c.groups;
    weight.group_span = c.span;
    weight.codebook.resize(static_cast<size_t>(c.codes * c.groups));
    for (float& value : weight.codebook) value = static_cast<float>(random());
    weight.code.resize(count);
    for (uint8_t& code : weight.code) code = static_cast<uint8_t>(random() % static_cast<uint32_t>(c.codes));
    return weight;
}

// Of `numel` elements the last ones may have no code.
std::vector<float> values_of(const ElementCodes& weight, size_t numel) {
    std::vector<float> values(numel);
    for (size_t i = 0; i < weight.code.size(); ++i) {
        const int64_t group = static_cast<int64_t>(i) / weight.group_span % weight.groups;
        values[i] = weight.codebook[static_cast<size_t>(group * weight.codes_per_group) + weight.code[i]];
    }
    return values;
}

void test_ranges(const CodeTable& table, const std::vector<float>& expected, std::mt19937& random) {
    for (int i = 0; i < 40; ++i) {
        const size_t begin = i == 0 ? 0 : random() % (expected.size() + 1);
        const size_t end =
            i == 0 ? expected.size() : begin + random() % (std::min<size_t>(expected.size() - begin, 90) + 1);
        std::vector<float> read(end - begin, -1.0f);
        table.read(begin, end, read.data());
        CHECK(std::equal(read.begin(), read.end(), expected.begin() + static_cast<std::ptrdiff_t>(begin)));
    }
}

}  // namespace

int main() {
    std::mt19937 random(3);
    for (const int64_t codes : {1, 2, 31, 32, 33, 64, 65, 128, 129, 255, 256}) {
        for (const Case& c : {Case{codes, 1, 2000}, {codes, 4, 1}, {codes, 3, 17}, {codes, 2, 700}}) {
            for (const size_t count : {0, 1, 700, 1200}) {
                const ElementCodes weight = random_codes(c, count, random);
                const std::vector<float> expected = values_of(weight, 1200);
                for (const Isa isa : supported_isas()) test_ranges(CodeTable(weight, isa), expected, random);
            }
        }
    }
    return check::finish();
}
