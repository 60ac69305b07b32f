// Threads of our own, for making layouts: the session's are out of reach while it creates its kernels. Only the layout
// that a matrix gets when a run first brings many rows is made within a run.
#pragma once

#include "parallel/executor.h"

namespace onnxdc {

// Runs each piece of work on threads that live as long as it; the calling thread is one of them. Unlike with other
// executors a task may throw: what one of them has thrown is thrown to the caller, after all threads have ended. A
// thread that cannot be started is done without.
class ThreadExecutor final : public Executor {
public:
    // As many as there are processors, but no more than the memory that feeds them allows.
    size_t workers() const override;

protected:
    void run(size_t count, void (*call)(const void* state, size_t index), const void* state) override;
};

}  // namespace onnxdc
