// Nodes of a subgraph whose weight group lies in an outer graph: older runtimes show its tensors in each run, and not
// when the kernel is created.
#include <memory>

#include "check.h"
#include "op_case.h"

using namespace onnxdc;

namespace {

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

struct Subgraph {
    explicit Subgraph(const OpCase& of) : c(of), op(fake::find_op(of.op)), random(1) {
        c.fill(&node, random);
        values = c.random_inputs(random);
    }

    // The kernel; the description that the runtime created it from is gone.
    std::unique_ptr<fake::Kernel> kernel() const {
        const auto info = std::make_unique<OrtKernelInfo>(node.info_in_subgraph());
        return std::make_unique<fake::Kernel>(op, *info);
    }

    OrtKernelContext context() const { return c.context(node, values); }

    const OpCase c;
    const OrtCustomOp* const op;
    Random random;
    OpCase::Node node;
    std::vector<OrtValue> values;
};

// What is at creation in the outer graph is in the first run here; later runs do not make it again.
void test_runs_are_those_of_a_kernel_of_the_outer_graph(const OpCase& c) {
    const Subgraph test(c);
    const fake::Kernel outer(test.op, test.node.info);
    OrtKernelContext expected = test.context();
    CHECK(outer.run(&expected));
    const auto kernel = test.kernel();
    CHECK(*kernel);
    for (int run = 0; run < 3; ++run) {
        OrtKernelContext context = test.context();
        std::string message;
        CHECK(kernel->run(&context, &message));
        CHECK(message.empty());
        CHECK(context.output.bytes == expected.output.bytes);
    }
}

// A runtime may hand over copies.
void test_the_same_group_elsewhere_is_the_same(const OpCase& c) {
    const Subgraph test(c);
    const auto kernel = test.kernel();
    OrtKernelContext first = test.context(), second = test.context();
    CHECK(kernel->run(&first));
    const std::vector<OrtValue> copies = test.node.group;
    for (size_t i = 0; i < copies.size(); ++i) second.inputs[c.first + i] = &copies[i];
    CHECK(kernel->run(&second));
    CHECK(second.output.bytes == first.output.bytes);
}

// Each tensor that has a byte in turn, then each with another shape.
void test_another_group_is_refused(const OpCase& c) {
    const Subgraph test(c);
    const auto kernel = test.kernel();
    OrtKernelContext first = test.context();
    CHECK(kernel->run(&first));
    for (size_t i = 0; i < test.node.group.size(); ++i) {
        OrtValue other = test.node.group[i];
        if (!other.bytes.empty())
            other.bytes[0] ^= 1;
        else
            other.dims.push_back(0);
        OrtKernelContext context = test.context();
        context.inputs[c.first + i] = &other;
        std::string message;
        CHECK(!kernel->run(&context, &message));
        CHECK(contains(message, c.op.c_str()));
        CHECK(contains(message, "weight 'w': the weight group is another than in the first run"));
        CHECK(context.allocated == 0);
    }
    OrtKernelContext again = test.context();
    CHECK(kernel->run(&again));
    CHECK(again.output.bytes == first.output.bytes);
}

// What creation would say each run says, until the group is one that can be read.
void test_a_bad_group_is_an_error_of_each_run(const OpCase& c) {
    Subgraph test(c);
    const auto kernel = test.kernel();
    CHECK(*kernel);
    for (int run = 0; run < 2; ++run) {
        test.node.group[3].bytes[0] ^= 1;
        OrtKernelContext context = test.context();
        std::string message;
        CHECK(!kernel->run(&context, &message));
        CHECK(contains(message, "weight 'w': checksum: the CRC-32 is"));
        test.node.group[3].bytes[0] ^= 1;
    }
    OrtKernelContext context = test.context();
    context.inputs[c.first + 2] = nullptr;
    std::string message;
    CHECK(!kernel->run(&context, &message));
    CHECK(contains(message, ("input " + std::to_string(c.first + 2) + " is missing").c_str()));
    context = test.context();
    CHECK(kernel->run(&context));
}

}  // namespace

int main() {
    for (const OpCase& c : op_cases()) {
        test_runs_are_those_of_a_kernel_of_the_outer_graph(c);
        test_the_same_group_elsewhere_is_the_same(c);
        test_another_group_is_refused(c);
        test_a_bad_group_is_an_error_of_each_run(c);
    }
    CHECK(fake::held == 0);
    return check::finish();
}
