// What a small file can ask for: the kernels of the largest claims take no more memory than SECURITY.md says, 256 MB
// and 1,000 bytes for each byte of the weight group, or say why not.
#include <cstdlib>

#include "abi/ort.h"
#include "check.h"
#include "check_layer.h"
#include "isa/isa.h"
#include "op_case.h"
#include "watched_memory.h"

using namespace onnxdc;

namespace {

constexpr size_t kFree = size_t{256} << 20, kForEachByte = 1000;

struct Claim {
    const char* op;
    std::vector<int64_t> shape;
    std::map<std::string, OrtKernelInfo::Attribute> attributes;
    int64_t entries;  // each `distance` positions after the one before, the first at 0
    uint8_t distance;
    int64_t codes;
    int64_t groups = 1;  // of a grid if there are more
};

// So many codewords of one bit, all 0 but the first.
std::vector<uint8_t> bits_of(int64_t count, bool first) {
    const size_t bits = static_cast<size_t>(count);
    std::vector<uint8_t> stream((bits + 255) / 256 * 32);
    if (first) stream[0] = 0x80;
    for (size_t i = bits; i < 8 * stream.size(); ++i)
        stream[i / 8] = static_cast<uint8_t>(stream[i / 8] | 0x80 >> i % 8);
    return stream;
}

// Entries that take a bit of each stream. All have code 1.
TestGroup group_of(const Claim& claim) {
    TestGroup group;
    group.packet = 32;
    std::vector<float> codebook(static_cast<size_t>(claim.codes), 1.0f);
    codebook[0] = 0.0f;
    group.set_codebook({1, claim.codes}, codebook);
    if (claim.groups > 1) {
        group.codebook.set(kInt8, {1, claim.codes}, std::vector<int8_t>(codebook.begin(), codebook.end()));
        group.set_steps(std::vector<float>(static_cast<size_t>(claim.groups), 0.5f));
    }
    group.set_extent(claim.entries, 0, claim.shape);
    if (claim.entries == 0) return group;
    group.set_bytes(group.code_table, {2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /**/ 1, 0});
    group.set_bytes(group.codes, bits_of(claim.entries, false));
    group.set_bytes(group.gap_table, {2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /**/ claim.distance, 0});
    group.set_bytes(group.gaps, bits_of(claim.entries, true));
    return group;
}

void test_claim(const Claim& claim) {
    const TestGroup test = group_of(claim);
    OrtKernelInfo info;
    info.attributes = claim.attributes;
    info.attributes["checksum"] = test.view().checksum;
    std::vector<OrtValue> group;
    size_t nbytes = 0;
    for (const TestTensor* tensor : test.tensors()) {
        group.push_back({tensor->type, tensor->dims, tensor->bytes});
        nbytes += tensor->bytes.size();
    }
    if (std::string(claim.op) != "SparseQuantGather") info.inputs.push_back({"x"});
    for (const OrtValue& tensor : group) info.inputs.push_back({"w.codebook", &tensor});
    for (const char* rest : {"", "", "b"}) info.inputs.push_back({rest});
    const bool on_integers = std::string(claim.op).find("Dynamic") != std::string::npos;
    for (const Isa isa : on_integers ? supported_isas() : isas_of_floats()) {
        setenv("ONNXDC_ISA", isa_name(isa), 1);
        const size_t before = held_bytes;
        peak_bytes = before;
        std::string message;
        const bool created = static_cast<bool>(fake::Kernel(fake::find_op(claim.op), info, &message));
        const size_t taken = peak_bytes - before, limit = kFree + kForEachByte * nbytes;
        CHECK(taken <= limit);
        CHECK(created || !message.empty());
        std::printf("%s %s, %s: %zu MB of %zu, group of %zu bytes%s%s\n", claim.op,
                    ort::shape_text(claim.shape).c_str(), isa_name(isa), taken >> 20, limit >> 20, nbytes,
                    created ? "" : ": ", message.c_str());
    }
}

}  // namespace

int main() {
    constexpr int64_t kMost = (int64_t{1} << 31) - 1, kOutputs = int64_t{1} << 22;
    const Claim claims[] = {
        {"SparseQuantConv", {kOutputs, 1, 1}, {{"group", kOutputs}}, 0, 1, 2},
        {"SparseQuantConv", {65536, 1, 1}, {{"group", int64_t{65536}}}, 0, 1, 2},
        {"SparseQuantConv", {kOutputs, 511, 1}, {}, 0, 1, 2},
        {"SparseQuantConv", {1, 1, kMost}, {}, 0, 1, 2},
        {"SparseQuantGemm", {kOutputs, 511}, {{"transB", int64_t{1}}}, 0, 1, 2},
        {"SparseQuantGemm", {511, kOutputs}, {}, 0, 1, 2},
        {"SparseQuantGemm", {kMost, 1}, {}, 0, 1, 2},
        {"SparseQuantMatMul", {1, kMost}, {}, 0, 1, 2},
        {"SparseQuantGather", {kMost, 1}, {}, 0, 1, 2},
        {"SparseDynamicConv", {kOutputs, 1, 1}, {{"group", kOutputs}}, 0, 1, 2},
        {"SparseDynamicConv", {65536, 1, 1}, {{"group", int64_t{65536}}}, 0, 1, 2},
        {"SparseDynamicConv", {kOutputs, 511, 1}, {}, 0, 1, 2},
        {"SparseDynamicConv", {1, 1, kMost}, {}, 0, 1, 2},
        {"SparseDynamicGemm", {kOutputs, 511}, {{"transB", int64_t{1}}}, 0, 1, 2},
        {"SparseDynamicGemm", {kMost, 1}, {}, 0, 1, 2},
        {"SparseDynamicMatMul", {1, kMost}, {}, 0, 1, 2},
        // Nonzeros of a single row, each alone in its window, with a codebook for registers and one beyond them.
        {"SparseQuantGemm", {1, 64000000}, {{"transB", int64_t{1}}}, 1000000, 64, 2},
        {"SparseQuantGemm", {1, 64000000}, {{"transB", int64_t{1}}}, 1000000, 64, 200},
        {"SparseQuantGather", {1, 64000000}, {}, 1000000, 64, 200},
        {"SparseDynamicGemm", {1, 64000000}, {{"transB", int64_t{1}}}, 60000, 64, 2},
        {"SparseDynamicMatMul", {64000000, 1}, {}, 60000, 64, 200},
        {"SparseDynamicMatMul", {64, 1000000}, {}, 1000000, 64, 2},
        {"SparseDynamicConv", {1, 64000000, 1}, {}, 60000, 64, 2},
        // All entries, of a bit each.
        {"SparseQuantGemm", {1000, 4000}, {}, 4000000, 1, 2},
        {"SparseQuantConv", {1000, 4000, 1}, {}, 4000000, 1, 2},
        {"SparseDynamicGemm", {1000, 4000}, {}, 4000000, 1, 2},
        {"SparseDynamicConv", {1000, 4000, 1}, {}, 4000000, 1, 2},
        // Values of many groups that are multiplied out, for a shape with elements and one without.
        {"SparseQuantGemm", {1 << 17, 3}, {}, 300000, 1, 256, 1 << 17},
        {"SparseQuantMatMul", {0, 3}, {}, 0, 1, 256, 1 << 17},
        {"SparseQuantGather", {1 << 17, 3}, {}, 300000, 1, 256, 1 << 17},
    };
    for (const Claim& claim : claims) test_claim(claim);
    return check::finish();
}
