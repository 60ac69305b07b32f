// Streams so large that threads share them, decoded by several threads at once.
#include <thread>

#include "check.h"
#include "decoder/decode.h"
#include "group_builder.h"
#include "kernels/code_table.h"

using namespace onnxdc;

namespace {

// All three ways; answers whether each gives what is expected.
bool decodes_to(const CheckedGroup& group, const std::vector<float>& expected) {
    std::vector<float> dense(expected.size()), sparse(expected.size()), read(expected.size());
    SparseWeight weight;
    ElementCodes codes;
    if (decode_dense(group, dense.data()) || decode_sparse(group, &weight) || decode_codes(group, &codes)) return false;
    for (size_t i = 0; i < weight.position.size(); ++i) sparse[weight.position[i]] = weight.codebook[weight.code[i]];
    CodeTable(codes, Isa::kScalar).read(0, read.size(), read.data());
    return dense == expected && sparse == expected && read == expected;
}

}  // namespace

int main() {
    std::mt19937 random(4);
    std::vector<float> expected;
    const TestGroup test = random_group(2000000, 1, random, &expected);
    const WeightGroup view = test.view();
    CheckedGroup group;
    CHECK(!check_group(view, &group));
    CHECK(group.codes.total_nbytes > 2 * 131072 && group.gaps.total_nbytes > 2 * 131072);
    bool right[3] = {};
    std::vector<std::thread> threads;
    for (bool& result : right) threads.emplace_back([&] { result = decodes_to(group, expected); });
    for (std::thread& thread : threads) thread.join();
    for (bool result : right) CHECK(result);
    return check::finish();
}
