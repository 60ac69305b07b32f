// Programs of random cases: how they draw, and what they print.
#pragma once

#include <csignal>
#include <cstdlib>

#include "check.h"
#include "expected.h"
#include "isa/isa.h"
#include "random_weight.h"

// There where a sanitizer is.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace onnxdc {

// Draws what a case is made of, so that the ends of vectors, tiles and codebooks are met often.
class Draw {
public:
    explicit Draw(uint32_t seed) : random_(seed) {}

    int64_t any(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
    bool percent(int64_t chance) { return any(0, 99) < chance; }

    template <size_t kCount>
    int64_t one_of(const int64_t (&choices)[kCount]) {
        return choices[any(0, static_cast<int64_t>(kCount) - 1)];
    }

    // Half of them next to a multiple of a power of two, the others of any order of magnitude; at times 0.
    int64_t size(int64_t most) {
        if (percent(2)) return 0;
        const int64_t drawn = percent(50) ? one_of({4, 8, 16, 32, 64, 128, 512}) * any(1, 3) + any(-1, 1)
                                          : std::llround(std::pow(static_cast<double>(most), real()));
        return std::clamp<int64_t>(drawn, 1, most);
    }

    float alpha() { return percent(60) ? 1.0f : percent(10) ? 0.0f : random_float(random_); }

    WeightSpec weight(const std::vector<int64_t>& shape) {
        WeightSpec spec;
        spec.density = percent(5) ? 0.0 : percent(10) ? 1.0 : std::pow(10.0, -2.0 * real());
        spec.lone = percent(5);
        spec.uneven = percent(30);
        spec.odd_values = percent(5);
        spec.codes = percent(60) ? one_of({2, 3, 31, 32, 33, 64, 255, 256}) : any(2, 256);
        if (percent(25)) {
            spec.group_axis = any(0, static_cast<int64_t>(shape.size()) - 1);
            spec.groups = divisor(shape[static_cast<size_t>(spec.group_axis)]);
        }
        return spec;
    }

    // Of a number above 0; else 1.
    int64_t divisor(int64_t number) {
        int64_t candidate = std::max<int64_t>(1, any(1, std::max<int64_t>(1, number)));
        while (number % candidate != 0) --candidate;
        return candidate;
    }

private:
    double real() { return std::uniform_real_distribution<double>()(random_); }

    Random random_;
};

// The case that runs, for the last words of a program that crashes or that a sanitizer ends.
inline long running_seed = -1;

inline void print_running_seed() { std::fprintf(stderr, "  while seed %ld was running\n", running_seed); }

inline void print_seed_of_crashes() {
    if (__sanitizer_set_death_callback) return __sanitizer_set_death_callback(print_running_seed);
    for (const int signal : {SIGABRT, SIGSEGV}) {
        std::signal(signal, [](int crashed) {
            print_running_seed();
            std::signal(crashed, SIG_DFL);
            std::raise(crashed);
        });
    }
}

// The main() of such a program. Its arguments: how many cases (else 3000), and the seed of the first (else 0).
// random_case(seed) draws a case; check_case() answers whether it is right, after it has printed what is not.
template <class RandomCase>
int run_random_cases(int argc, char** argv, const RandomCase& random_case) {
    const long count = argc > 1 ? std::atol(argv[1]) : 3000;
    const long first = argc > 2 ? std::atol(argv[2]) : 0;
    print_seed_of_crashes();
    Worst worst;
    for (long seed = first; seed < first + count; ++seed) {
        running_seed = seed;
        const auto seed_of_case = static_cast<uint32_t>(seed);
        if (check_case(random_case(seed_of_case), seed_of_case, &worst)) continue;
        std::fprintf(stderr, "  again: %s 1 %ld\n", argv[0], seed);
        if (check::failures > 20) break;
    }
    std::printf("%ld cases in each of:", count);
    for (const Isa isa : supported_isas()) std::printf(" %s", isa_name(isa));
    std::printf("\n");
    worst.print();
    return check::finish();
}

}  // namespace onnxdc
