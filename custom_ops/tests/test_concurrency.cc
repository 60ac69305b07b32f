// One kernel serves several threads at once: each gets the bits that it would get alone.
#include <thread>

#include "convolution_case.h"
#include "matrix_case.h"

using namespace onnxdc;

namespace {

// Runs each task in a thread of its own.
class ThreadForEachTask final : public Executor {
public:
    explicit ThreadForEachTask(size_t workers) : workers_(workers) {}
    size_t workers() const override { return workers_; }

protected:
    void run(size_t count, void (*call)(const void* state, size_t index), const void* state) override {
        std::vector<std::thread> threads;
        for (size_t i = 0; i < count; ++i) threads.emplace_back(call, state, i);
        for (std::thread& thread : threads) thread.join();
    }

private:
    size_t workers_;
};

// Runs one layer on each of the inputs alone, then on all of them at once, some rounds over. Scratch memory and outputs
// belong to a thread. Whether all bits are the same is counted after the threads have ended.
template <class Layer, class Run>
void check_together(const Layer& layer, const std::vector<Run>& runs) {
    std::vector<Floats> expected;
    for (const Run& run : runs) {
        SerialExecutor serial;
        expected.push_back(run_once(layer, run, serial));
    }
    std::vector<int> differences(runs.size());
    std::vector<std::thread> threads;
    for (size_t i = 0; i < runs.size(); ++i) {
        threads.emplace_back([&, i] {
            for (size_t round = 0; round < 4; ++round) {
                ThreadForEachTask executor(1 + (i + round) % 3);
                differences[i] += !same_bits(run_once(layer, runs[i], executor), expected[i], expected[i].size);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (const int count : differences) CHECK(count == 0);
}

void test_matrix() {
    constexpr int64_t kBatches[] = {1, 2, 5, 12, 13, 40, 1, 130};
    for (const Isa isa : isas_of_floats()) {
        for (const int64_t codes : {32, 256}) {
            Random random(1);
            MatrixCase c;
            c.inputs = 600;
            c.outputs = 300;
            c.weight = {0.1, codes};
            const auto layer = SparseMatrix::create(random_weight(random, c.weight_shape(), c.weight), false, isa);
            const Floats bias(300, random);
            std::vector<Floats> inputs;
            std::vector<MatrixRun> runs;
            for (const int64_t m : kBatches) {
                c.m = m;
                c.special = m == 12;
                inputs.push_back(c.random_x(random));
                runs.push_back(c.run(inputs.back(), bias));
            }
            check_together(*layer, runs);
        }
    }
}

void test_convolution() {
    for (const Isa isa : isas_of_floats()) {
        Random random(2);
        ConvolutionCase c;
        c.inputs = 24;
        c.outputs = 40;
        const auto layer = SparseConvolution::create(random_weight(random, c.weight_shape(), c.weight), c.params, isa);
        const Floats bias(40, random);
        std::vector<Floats> inputs;
        std::vector<ConvolutionRun> runs;
        for (int64_t i = 0; i < 8; ++i) {
            c.batch = 1 + i % 3;
            c.in_size = {1, 5 + i, 19 - 2 * i};
            inputs.emplace_back(static_cast<size_t>(c.batch * c.inputs * product(c.in_size)), random);
            runs.push_back(c.run(inputs.back(), bias));
        }
        check_together(*layer, runs);
    }
}

}  // namespace

int main() {
    test_matrix();
    test_convolution();
    return check::finish();
}
