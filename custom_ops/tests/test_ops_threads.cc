// Sessions that are created, run and destroyed by several threads at once, each operator in every instruction set:
// what one kernel computes for eight threads is what it computes for one, whether it is made at creation or in the
// first run.
#include <cstdlib>
#include <thread>

#include "check.h"
#include "isa/isa.h"
#include "op_case.h"

using namespace onnxdc;

namespace {

constexpr size_t kThreads = 8;

template <class Task>
void in_threads(const Task& task) {
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kThreads; ++i) threads.emplace_back([&task, i] { task(i); });
    for (std::thread& thread : threads) thread.join();
}

// Failures are counted and looked at when all threads have ended.
using Failures = std::atomic<int>;

// Another batch for each thread, so that a matrix gets its layout for many rows while others use that for few.
std::vector<OrtValue> inputs_of_thread(const OpCase& c, size_t thread) {
    OpCase own = c;
    const bool has_residual = own.after.size() > 1;
    const bool has_rows_of_c = own.op.find("GemmLeakyRelu") != std::string::npos;
    if (!own.before.empty() && !has_residual && !has_rows_of_c) own.before[0][0] = static_cast<int64_t>(1 + thread);
    if (has_rows_of_c) own.before[0][0] = own.after[0][0] = static_cast<int64_t>(1 + 3 * thread);
    Random random(static_cast<uint32_t>(thread));
    return own.random_inputs(random);
}

void test_one_kernel(const OpCase& c) {
    Random random(1);
    OpCase::Node node;
    c.fill(&node, random);
    const OrtCustomOp* op = fake::find_op(c.op);
    std::vector<std::vector<uint8_t>> expected(kThreads);
    std::vector<std::vector<OrtValue>> values;
    {
        const fake::Kernel alone(op, node.info);
        for (size_t i = 0; i < kThreads; ++i) {
            values.push_back(inputs_of_thread(c, i));
            OrtKernelContext context = c.context(node, values[i]);
            CHECK(alone.run(&context));
            expected[i] = context.output.bytes;
        }
    }
    for (const OrtKernelInfo& info : {node.info, node.info_in_subgraph()}) {
        const fake::Kernel shared(op, info);
        Failures failures{0};
        in_threads([&](size_t i) {
            for (size_t round = 0; round < 4; ++round) {
                OrtKernelContext context = c.context(node, values[i]);
                context.threads = 1 + (i + round) % 3;
                failures += !shared.run(&context) || context.output.bytes != expected[i];
            }
        });
        CHECK(failures == 0);
    }
}

// Sessions share the model's tensors, but each registers the operators and has a kernel of its own.
void test_many_sessions(const OpCase& c) {
    Random random(2);
    OpCase::Node node;
    c.fill(&node, random);
    const std::vector<OrtValue> values = c.random_inputs(random);
    Failures failures{0};
    in_threads([&](size_t) {
        const OrtCustomOp* op = fake::find_op(c.op);
        for (int round = 0; round < 3; ++round) {
            const fake::Kernel kernel(op, node.info);
            OrtKernelContext context = c.context(node, values);
            failures += !kernel || !kernel.run(&context);
        }
    });
    CHECK(failures == 0);
}

}  // namespace

int main() {
    in_threads([](size_t) { CHECK(!fake::registered_ops().empty()); });
    for (const Isa isa : supported_isas()) {
        setenv("ONNXDC_ISA", isa_name(isa), 1);
        for (const OpCase& c : op_cases()) {
            test_one_kernel(c);
            test_many_sessions(c);
        }
    }
    CHECK(fake::held == 0);
    return check::finish();
}
