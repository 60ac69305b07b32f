// The operators of symbols, whose outputs are empty, and the symbol inputs of the others, which are not read.
#include <set>

#include "check.h"
#include "op_case.h"

using namespace onnxdc;

namespace {

void test_outputs_are_empty() {
    const OrtValue table{kUint8, {12}, std::vector<uint8_t>(12)};
    for (const char* name :
         {"SparseSymbols", "SparseSymbols2", "SparseSymbols16", "DynamicSymbols", "DynamicSymbols16"}) {
        const OrtCustomOp* op = fake::find_op(name);
        CHECK(op);
        if (!op) return;
        CHECK(op->GetInputCharacteristic(op, 0) == kOrtVariadic && op->GetOutputCharacteristic(op, 0) == kOrtVariadic);
        CHECK(op->GetInputType(op, 0) == kOrtAnyType && op->GetOutputType(op, 0) == kUint8);
        CHECK(op->GetVariadicInputMinArity(op) == 1 && op->GetVariadicOutputMinArity(op) == 1);
        const fake::Kernel kernel(op, {});
        for (const size_t outputs : {1, 7}) {
            OrtKernelContext context;
            context.inputs = {&table, &table};
            context.outputs = outputs;
            CHECK(kernel.run(&context));
            CHECK(context.allocated == outputs && context.output.dims == std::vector<int64_t>{0});
        }
    }
}

// What has no kernel is computed from its portable body, and folded.
void test_which_operators_have_kernels() {
    std::set<std::string> names;
    for (const OrtCustomOp* op : fake::registered_ops()) CHECK(names.insert(op->GetName(op)).second);
    for (const char* name :
         {"Symbols", "DecodeWeight", "DecodeDenseGrid", "SparseSymbols1", "SparseSymbols17", "DynamicSymbols17"})
        CHECK(names.count(name) == 0);
}

// Of any type, of any size, or left out.
void test_symbol_inputs() {
    Random random(3);
    for (const OpCase& c : op_cases()) {
        OpCase::Node node;
        c.fill(&node, random);
        const OrtCustomOp* op = fake::find_op(c.op);
        const fake::Kernel kernel(op, node.info);
        const std::vector<OrtValue> values = c.random_inputs(random);
        OrtKernelContext context = c.context(node, values);
        CHECK(kernel.run(&context));
        const std::vector<uint8_t> expected = context.output.bytes;
        const OrtValue other{kInt64, {2, 1}, std::vector<uint8_t>(16)};
        for (size_t i = c.first + kGroupTensors; i < c.first + kGroupTensors + 2; ++i) {
            CHECK(op->GetInputCharacteristic(op, i) == kOrtOptional && op->GetInputType(op, i) == kOrtAnyType);
            context.inputs[i] = &other;
        }
        CHECK(kernel.run(&context));
        CHECK(context.output.bytes == expected);
    }
}

}  // namespace

int main() {
    test_outputs_are_empty();
    test_which_operators_have_kernels();
    test_symbol_inputs();
    CHECK(fake::held == 0);
    return check::finish();
}
