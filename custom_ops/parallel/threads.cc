#include "parallel/threads.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <vector>

namespace onnxdc {
namespace {

// The cores that memory can feed with what is decoded, about.
constexpr size_t kMaxWorkers = 8;

// Tasks that several threads take one after the other.
class TaskQueue {
public:
    TaskQueue(size_t count, void (*call)(const void* state, size_t index), const void* state)
        : count_(count), call_(call), state_(state) {}

    // Runs tasks until none is left, or one has thrown.
    void work() noexcept {
        try {
            for (size_t index; (index = next_.fetch_add(1)) < count_;) call_(state_, index);
        } catch (...) {
            next_ = count_;
            if (!failed_.exchange(true)) failure_ = std::current_exception();
        }
    }

    // To be called when no thread works any more.
    void rethrow() const {
        if (failure_) std::rethrow_exception(failure_);
    }

private:
    const size_t count_;
    void (*const call_)(const void* state, size_t index);
    const void* const state_;
    std::atomic<size_t> next_{0};
    std::atomic<bool> failed_{false};
    std::exception_ptr failure_;
};

}  // namespace

size_t ThreadExecutor::workers() const {
    // Asked once: the answer takes the system microseconds.
    static const size_t workers = std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kMaxWorkers);
    return workers;
}

void ThreadExecutor::run(size_t count, void (*call)(const void* state, size_t index), const void* state) {
    TaskQueue queue(count, call, state);
    const size_t helpers = std::max<size_t>(1, std::min(count, workers())) - 1;
    std::vector<std::thread> threads;
    threads.reserve(helpers);
    try {
        while (threads.size() < helpers) threads.emplace_back([&queue] { queue.work(); });
    } catch (const std::exception&) {
        // No thread more, or no memory for one: those that are there do it all.
    }
    queue.work();
    for (std::thread& thread : threads) thread.join();
    queue.rethrow();
}

}  // namespace onnxdc
