// What the processor can do at most, in operations or bytes a second: the best of many short trials.
//   limits fma THREADS         float32 operations of fused multiply-adds, two each
//   limits read BYTES THREADS  reading a buffer of that size over and over, each thread its part
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr size_t kVectorNbytes = 64;
#elif defined(__AVX__)
constexpr size_t kVectorNbytes = 32;
#else
constexpr size_t kVectorNbytes = 16;
#endif
typedef float Vector __attribute__((vector_size(kVectorNbytes)));

constexpr int kChains = 12;  // independent sums: a latency of 4 cycles, 2 a cycle, and some to spare; 16 registers do
constexpr int kTrials = 40;
constexpr int64_t kFmaSteps = 100'000;            // of a trial: below a millisecond, shorter than a slice of a scheduler
constexpr int64_t kTrialNbytes = 16 << 20;        // that a trial reads at least
constexpr float kScale = 0.999f, kShift = 1e-3f;  // keep the sums near 1

std::atomic<float> sink{2};  // what is written here has to be computed

void multiply_add() {
    const float start = sink;  // which the compiler does not know: it would leave out a sum that stays as it is
    Vector sum[kChains];
    for (int chain = 0; chain < kChains; ++chain) sum[chain] = Vector{} + (start + static_cast<float>(chain));
    const Vector scale = Vector{} + kScale, shift = Vector{} + kShift;
    for (int64_t step = 0; step < kFmaSteps; ++step)
        for (int chain = 0; chain < kChains; ++chain) sum[chain] = sum[chain] * scale + shift;
    for (int chain = 1; chain < kChains; ++chain) sum[0] += sum[chain];
    sink = sum[0][0] / kChains;
}

void read(const Vector* data, int64_t count, int64_t passes) {
    Vector sum[kChains] = {};
    for (int64_t pass = 0; pass < passes; ++pass)
        for (int64_t i = 0; i + kChains <= count; i += kChains)
            for (int chain = 0; chain < kChains; ++chain) sum[chain] += data[i + chain];
    for (int chain = 1; chain < kChains; ++chain) sum[0] += sum[chain];
    sink = sum[0][0];
}

// Units a second of all threads together, each of which does `units` a trial; they begin each trial together.
template <typename Work>
double best_rate(int threads, double units, const Work& work) {
    using Clock = std::chrono::steady_clock;
    std::vector<std::atomic<int>> arrived(kTrials);
    std::vector<std::vector<double>> seconds(kTrials, std::vector<double>(threads));
    std::vector<std::thread> pool;
    for (int thread = 0; thread < threads; ++thread)
        pool.emplace_back([&, thread] {
            for (int trial = 0; trial < kTrials; ++trial) {
                ++arrived[trial];
                while (arrived[trial] < threads) std::this_thread::yield();
                const auto start = Clock::now();
                work(thread);
                seconds[trial][thread] = std::chrono::duration<double>(Clock::now() - start).count();
            }
        });
    for (std::thread& one : pool) one.join();
    double best = 0;
    for (const auto& trial : seconds)
        best = std::max(best, threads * units / *std::max_element(trial.begin(), trial.end()));
    return best;
}

double fma_rate(int threads) {
    const double flops = 2.0 * kFmaSteps * kChains * kVectorNbytes / sizeof(float);
    return best_rate(threads, flops, [](int) { multiply_add(); });
}

double read_rate(int64_t nbytes, int threads) {
    constexpr int64_t kStep = kChains * kVectorNbytes;
    const int64_t part = std::max<int64_t>(nbytes / threads / kStep, 1) * kStep;  // of a thread
    auto* data = static_cast<char*>(std::aligned_alloc(kVectorNbytes, static_cast<size_t>(part * threads)));
    if (data == nullptr) return 0;
    std::memset(data, 0, static_cast<size_t>(part * threads));
    const int64_t passes = std::max<int64_t>(kTrialNbytes / part, 1);
    const double rate = best_rate(threads, static_cast<double>(part * passes), [&](int thread) {
        read(reinterpret_cast<const Vector*>(data + thread * part), part / kVectorNbytes, passes);
    });
    std::free(data);
    return rate;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 3 && !std::strcmp(argv[1], "fma")) {
        std::printf("%.6g\n", fma_rate(std::atoi(argv[2])));
    } else if (argc == 4 && !std::strcmp(argv[1], "read")) {
        std::printf("%.6g\n", read_rate(std::atoll(argv[2]), std::atoi(argv[3])));
    } else {
        std::fprintf(stderr, "usage: limits fma THREADS | limits read BYTES THREADS\n");
        return 2;
    }
}
