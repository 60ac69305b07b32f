// The threads that decode and build layouts.
#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "parallel/threads.h"

using namespace onnxdc;

namespace {

void test_every_task_runs_once() {
    ThreadExecutor threads;
    CHECK(threads.workers() >= 1);
    for (size_t count : {0, 1, 2, 7, 1000}) {
        std::vector<std::atomic<int>> runs(count);
        threads.parallel_for(count, [&](size_t i) { ++runs[i]; });
        for (const std::atomic<int>& run : runs) CHECK(run == 1);
    }
}

// What a task throws comes out once, and the tasks that have not begun by then are left out.
void test_exceptions_come_out() {
    ThreadExecutor threads;
    for (size_t bad : {0, 1, 500, 999}) {
        std::string caught;
        try {
            threads.parallel_for(1000, [&](size_t i) {
                if (i >= bad) throw std::runtime_error("task");
            });
        } catch (const std::runtime_error& error) {
            caught = error.what();
        }
        CHECK(caught == "task");
    }
}

}  // namespace

int main() {
    test_every_task_runs_once();
    test_exceptions_come_out();
    return check::finish();
}
