// What the kernels need of a running session: its threads, scratch memory, the instruction set.
#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>

#include "abi/ort.h"
#include "isa/isa.h"
#include "parallel/executor.h"

namespace onnxdc {

// Runs tasks on the threads of the session that computes.
class SessionExecutor final : public Executor {
public:
    explicit SessionExecutor(const ort::Context& context) : context_(context) {}

    // The runtime does not tell how many threads a session has. By default, no more than there are processors.
    size_t workers() const override {
        static const size_t processors = std::max(1u, std::thread::hardware_concurrency());
        return processors;
    }

protected:
    void run(size_t count, void (*call)(const void* state, size_t index), const void* state) override {
        struct Task {
            void (*call)(const void* state, size_t index);
            const void* state;
        } task{call, state};
        context_.parallel_for(
            count,
            [](void* opaque, size_t index) {
                const Task* task = static_cast<const Task*>(opaque);
                task->call(task->state, index);
            },
            &task);
    }

private:
    const ort::Context& context_;
};

// Memory of one call of compute, from the session's allocator and aligned to 64 bytes.
class Scratch {
public:
    Scratch(const ort::Context& context, size_t nbytes)
        : memory_(nbytes == 0 ? ort::Memory() : context.allocate(nbytes + kAlignment)) {}

    void* get() const {
        const auto address = reinterpret_cast<uintptr_t>(memory_.get());
        return reinterpret_cast<void*>((address + kAlignment - 1) / kAlignment * kAlignment);
    }

private:
    static constexpr size_t kAlignment = 64;

    const ort::Memory memory_;
};

// The instruction set that ONNXDC_ISA or else the processor says. Throws ort::Error for a choice that is not possible.
inline Isa session_isa() {
    Isa isa;
    std::string error;
    if (!choose_isa_from_environment(&isa, &error)) throw ort::Error(kOrtInvalidArgument, error);
    return isa;
}

}  // namespace onnxdc
