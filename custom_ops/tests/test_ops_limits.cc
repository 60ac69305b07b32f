// What a small file can ask for: the kernels of the largest claims take no more memory than SECURITY.md says, 256 MB
// and 1,000 bytes for each byte of the weight group, or say why not.
#include <cstdlib>

#include "abi/ort.h"
#include "check.h"
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
    int64_t entries;  // each `distance` positions after the one before
    int64_t distance;
    int64_t codes;
};

// Entries that take a bit of each stream: one symbol for the codes, one for the gaps.
TestGroup group_of(const Claim& claim) {
    TestGroup group;
    std::vector<float> codebook(static_cast<size_t>(claim.codes), 1.0f);
    codebook[0] = 0.0f;
    group.set_codebook({1, claim.codes}, codebook);
    std::vector<uint8_t> code_lengths(static_cast<size_t>(claim.codes)), gap_lengths(256);
    code_lengths[1] = 1;
    gap_lengths[static_cast<size_t>(claim.distance - 1)] = 1;
    group.set_lengths(group.code_lengths, code_lengths);
    group.set_lengths(group.gap_lengths, gap_lengths);
    group.chunk_size = 65536;
    std::vector<int32_t> rows{0, 0, 0, 0};
    for (int64_t entry = 0; entry < claim.entries;) {
        entry = std::min(entry + group.chunk_size, claim.entries);
        const auto nbytes = static_cast<int32_t>((entry + 7) / 8);
        rows.insert(rows.end(),
                    {static_cast<int32_t>(entry), nbytes, nbytes, static_cast<int32_t>(entry * claim.distance)});
    }
    if (claim.entries == 0) rows.insert(rows.end(), {0, 0, 0, 0});
    const std::vector<uint8_t> stream(static_cast<size_t>((claim.entries + 7) / 8));
    group.set_bytes(group.codes, stream);
    group.set_bytes(group.gaps, stream);
    group.set_chunks(rows);
    group.set_shape(claim.shape);
    return group;
}

void test_claim(const Claim& claim) {
    const TestGroup test = group_of(claim);
    OrtKernelInfo info;
    info.attributes = claim.attributes;
    info.attributes["checksum"] = test.view().checksum;
    info.attributes["chunk_size"] = test.chunk_size;
    std::vector<OrtValue> group;
    size_t nbytes = 0;
    for (const TestTensor* tensor :
         {&test.codebook, &test.code_lengths, &test.codes, &test.gap_lengths, &test.gaps, &test.chunks, &test.shape}) {
        group.push_back({tensor->type, tensor->dims, tensor->bytes});
        nbytes += tensor->bytes.size();
    }
    if (std::string(claim.op) != "SparseQuantGather") info.inputs.push_back({"x"});
    for (const OrtValue& tensor : group) info.inputs.push_back({"w.codebook", &tensor});
    info.inputs.push_back({"b"});
    for (const Isa isa : supported_isas()) {
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
        // Nonzeros of a single row, each alone in its window, with a codebook for registers and one beyond them.
        {"SparseQuantGemm", {1, 64000000}, {{"transB", int64_t{1}}}, 1000000, 64, 2},
        {"SparseQuantGemm", {1, 64000000}, {{"transB", int64_t{1}}}, 1000000, 64, 200},
        {"SparseQuantGather", {1, 64000000}, {}, 1000000, 64, 200},
        // All entries, of a bit each.
        {"SparseQuantGemm", {1000, 4000}, {}, 4000000, 1, 2},
        {"SparseQuantConv", {1000, 4000, 1}, {}, 4000000, 1, 2},
    };
    for (const Claim& claim : claims) test_claim(claim);
    return check::finish();
}
