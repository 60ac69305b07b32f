// Where parallel work runs: on the session's threads, or in the calling thread.
#pragma once

#include <cstddef>

#include "parallel/range.h"

namespace onnxdc {

// Runs tasks that do not depend on each other. What they compute must not depend on who runs them, nor on workers().
class Executor {
public:
    virtual ~Executor() = default;

    // How many tasks may run at the same time, at least 1. It decides how finely work is split and how much scratch
    // memory it takes.
    virtual size_t workers() const = 0;

    // Calls task(index) for every index below count, and returns when all have returned. The task must not throw.
    template <class Task>
    void parallel_for(size_t count, const Task& task) {
        run(count, [](const void* state, size_t index) { (*static_cast<const Task*>(state))(index); }, &task);
    }

protected:
    virtual void run(size_t count, void (*call)(const void* state, size_t index), const void* state) = 0;
};

// Runs everything in the calling thread.
class SerialExecutor final : public Executor {
public:
    size_t workers() const override { return 1; }

protected:
    void run(size_t count, void (*call)(const void* state, size_t index), const void* state) override {
        for (size_t i = 0; i < count; ++i) call(state, i);
    }
};

}  // namespace onnxdc
