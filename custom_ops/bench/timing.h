// How the programs here time a layer.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

namespace onnxdc {

// The median time of run(scratch), which has `scratch_nbytes` aligned to 64, over at least five runs and 200 ms.
template <class Run>
double median_us(size_t scratch_nbytes, const Run& run) {
    using Clock = std::chrono::steady_clock;
    void* scratch = std::aligned_alloc(64, (scratch_nbytes + 64) / 64 * 64);
    std::vector<double> times;
    const auto begin = Clock::now();
    while (times.size() < 5 || Clock::now() - begin < std::chrono::milliseconds(200)) {
        const auto start = Clock::now();
        run(scratch);
        times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    }
    std::free(scratch);
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}

}  // namespace onnxdc
