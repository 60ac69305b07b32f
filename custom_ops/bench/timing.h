// How the programs here time a layer.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <vector>

namespace onnxdc {

// The time that the calling thread has had a processor: others may want it, too.
inline double thread_us() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

// The median time of run(scratch), which has `scratch_nbytes` aligned to 64, over at least five runs and 200 ms.
template <class Run>
double median_us(size_t scratch_nbytes, const Run& run) {
    using Clock = std::chrono::steady_clock;
    void* scratch = std::aligned_alloc(64, (scratch_nbytes + 64) / 64 * 64);
    std::vector<double> times;
    const auto begin = Clock::now();
    while (times.size() < 5 || Clock::now() - begin < std::chrono::milliseconds(200)) {
        const double start = thread_us();
        run(scratch);
        times.push_back(thread_us() - start);
    }
    std::free(scratch);
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}

}  // namespace onnxdc
