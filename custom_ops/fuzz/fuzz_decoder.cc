// Any weight group: it is checked and decoded in all three ways, which agree on the rule that it breaks or on each
// element.
#include <memory>

#include "decoder/decode.h"
#include "fuzz/group_input.h"
#include "kernels/code_table.h"

using namespace onnxdc;
using fuzz::GroupInput;
using fuzz::Input;

namespace {

constexpr int64_t kMaxDenseBytes = int64_t{1} << 22;  // clearing more takes longer than all else

bool agree(const Verdict& a, const Verdict& b) { return a.has_value() == b.has_value() && (!a || a->rule == b->rule); }

bool same_bits(const void* a, const void* b, size_t nbytes) { return nbytes == 0 || std::memcmp(a, b, nbytes) == 0; }

// Every element of a float32 weight that is decoded densely, from its nonzeros.
std::vector<float> dense_of(const SparseWeight& weight) {
    std::vector<float> dense(static_cast<size_t>(weight.numel()));
    const GroupOfPosition group_of(weight.shape, weight.groups, weight.group_axis);
    for (size_t i = 0; i < weight.position.size(); ++i) {
        REQUIRE(weight.position[i] < dense.size() && (i == 0 || weight.position[i - 1] < weight.position[i]));
        REQUIRE(weight.code[i] < weight.codes_per_group);
        const size_t row = group_of(weight.position[i]) * static_cast<size_t>(weight.codes_per_group);
        dense[weight.position[i]] = weight.codebook[row + weight.code[i]];
    }
    return dense;
}

void read_ranges(const CodeTable& table, size_t numel, const float* dense, Input input) {
    for (int i = 0; i < 4; ++i) {
        const size_t begin = static_cast<size_t>(input.number(3)) % (numel + 1);
        const size_t end = begin + static_cast<size_t>(input.number(2)) % (numel - begin + 1);
        const std::unique_ptr<float[]> out(new float[end - begin]);
        table.read(begin, end, out.get());
        REQUIRE(same_bits(out.get(), dense + begin, (end - begin) * sizeof(float)));
    }
}

void decode_as_floats(const CheckedGroup& group, const Verdict& verdict, const void* dense, const Input& rest) {
    SparseWeight weight;
    ElementCodes codes;
    REQUIRE(agree(decode_sparse(group, &weight), verdict));
    REQUIRE(agree(decode_codes(group, &codes), verdict));
    if (verdict) return;
    const std::vector<float> expected = dense_of(weight);
    REQUIRE(same_bits(expected.data(), dense, expected.size() * sizeof(float)));
    for (const Isa isa : supported_isas()) read_ranges(CodeTable(codes, isa), expected.size(), expected.data(), rest);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const GroupInput input(data, size);
    const TestGroup test = input.group();
    const WeightGroup view = test.view();
    CheckedGroup group;
    if (const Verdict broken = check_group(view, &group)) {
        REQUIRE(broken->rule < Rule::truncated && !broken->detail.empty());
        return 0;
    }
    // What takes no more memory than the file, whatever it claims.
    REQUIRE(group.numel < int64_t{1} << 31 && group.groups * group.codes_per_group < int64_t{1} << 31);
    const int64_t nbytes = group.numel * static_cast<int64_t>(element_size(group.dtype));
    if (nbytes > kMaxDenseBytes) {
        SparseWeight weight;
        if (group.dtype == kFloat && !decode_sparse(group, &weight))
            REQUIRE(weight.position.capacity() <= 8 * group.codes.total_nbytes);
        return 0;
    }
    const std::unique_ptr<uint8_t[]> dense(new uint8_t[static_cast<size_t>(nbytes)]());
    const Verdict verdict = decode_dense(group, dense.get());
    REQUIRE(!verdict || verdict->rule >= Rule::truncated);
    if (group.dtype == kFloat) decode_as_floats(group, verdict, dense.get(), {input.rest.data(), input.rest.size()});
    return 0;
}

ONNXDC_MUTATE_GROUPS
