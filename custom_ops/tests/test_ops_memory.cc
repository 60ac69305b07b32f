// Memory that runs out while a kernel is created or runs: an error, and everything of the runtime is given back. Each
// allocation of ours fails in turn.
#include "check.h"
#include "op_case.h"
#include "watched_memory.h"

using namespace onnxdc;

namespace {

// Lets the allocations of `step` fail one after the other, until it needs no more of them. Answers how many made it
// fail: some it can do without, such as those that only give back what is left over.
template <class Step>
long fail_each(const Step& step) {
    long failures = 0;
    for (long count = 0;; ++count) {
        const long held = fake::held;
        allocations_left = count;
        const bool succeeded = step();
        const bool all_used = allocations_left < 0;
        allocations_left = -1;
        CHECK(fake::held == held);
        failures += !succeeded;
        if (all_used) continue;
        CHECK(succeeded);
        return failures;
    }
}

void test_registration() {
    CHECK(fail_each([] { return !fake::registered_ops().empty(); }) > 20);
}

void test_case(const OpCase& c) {
    Random random(1);
    OpCase::Node node;
    c.fill(&node, random);
    const OrtCustomOp* op = fake::find_op(c.op);
    CHECK(op);
    if (!op) return;
    CHECK(fail_each([&] { return static_cast<bool>(fake::Kernel(op, node.info)); }) > 20);

    const std::vector<OrtValue> values = c.random_inputs(random);
    OrtKernelContext context = c.context(node, values);
    const OrtKernelInfo inner = node.info_in_subgraph();
    CHECK(fail_each([&] {
              const fake::Kernel made_in_first_run(op, inner);
              return made_in_first_run && made_in_first_run.run(&context);
          }) > 20);

    const fake::Kernel kernel(op, node.info);
    std::string message;
    const bool runs = kernel.run(&context, &message);
    CHECK(runs);
    if (!runs) std::fprintf(stderr, "  %s: %s\n", c.op.c_str(), message.c_str());
    CHECK(fail_each([&] { return kernel.run(&context); }) >= 1);
}

}  // namespace

int main() {
    test_registration();
    for (const OpCase& c : op_cases()) test_case(c);
    CHECK(fake::held == 0);
    return check::finish();
}
