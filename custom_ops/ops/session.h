// What the kernels need of a running session: its threads, scratch memory, the instruction set.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>

#include "abi/ort.h"
#include "isa/isa.h"
#include "parallel/executor.h"

namespace onnxdc {

// What a kernel learns of the threads of its session, of which the runtime tells nothing. By default a session has one
// for each processor; to cut the work for these where there is one thread only would bring inputs together again for
// each part. So a kernel whose first runs all stay in the calling thread stops cutting, and tries again now and then.
class SessionThreads {
public:
    size_t workers() const {
        static const size_t processors = std::max(1u, std::thread::hardware_concurrency());
        const uint32_t alone = alone_.load(std::memory_order_relaxed);
        return alone < kFirstRuns || alone % kRunsBetweenTries == 0 ? processors : 1;
    }

    void note(bool is_shared) {
        if (is_shared) {
            alone_.store(0, std::memory_order_relaxed);
        } else {
            alone_.fetch_add(1, std::memory_order_relaxed);
        }
    }

private:
    // Few enough runs that nobody waits for the end of them; tries so rare that those in vain take little of the time.
    static constexpr uint32_t kFirstRuns = 16;
    static constexpr uint32_t kRunsBetweenTries = 64;

    std::atomic<uint32_t> alone_{0};  // so many runs came since the last one with more than the calling thread
};

// Runs tasks on the threads of the session that computes, in one run of a kernel.
class SessionExecutor final : public Executor {
public:
    SessionExecutor(const ort::Context& context, SessionThreads& threads)
        : context_(context), threads_(threads), workers_(threads.workers()) {}
    ~SessionExecutor() override { threads_.note(is_shared_); }

    size_t workers() const override { return workers_; }

protected:
    void run(size_t count, void (*call)(const void* state, size_t index), const void* state) override {
        struct Task {
            void (*call)(const void* state, size_t index);
            const void* state;
            std::thread::id caller;
            std::atomic<bool>& is_shared;
        } task{call, state, std::this_thread::get_id(), is_shared_};
        context_.parallel_for(
            count,
            [](void* opaque, size_t index) {
                const Task* task = static_cast<const Task*>(opaque);
                if (std::this_thread::get_id() != task->caller) task->is_shared.store(true, std::memory_order_relaxed);
                task->call(task->state, index);
            },
            &task);
    }

private:
    const ort::Context& context_;
    SessionThreads& threads_;
    const size_t workers_;
    std::atomic<bool> is_shared_{false};
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
