// All the test framework there is: a test program is a main() that calls its tests and returns finish().
#pragma once

#include <atomic>
#include <cstdio>

namespace check {

inline std::atomic<int> failures{0};

inline int finish() {
    if (failures == 0) return 0;
    std::fprintf(stderr, "%d checks failed\n", failures.load());
    return 1;
}

}  // namespace check

// Counts and prints a condition that does not hold, and goes on.
#define CHECK(condition)                                                                              \
    do {                                                                                              \
        if (!(condition)) {                                                                           \
            ++check::failures;                                                                        \
            std::fprintf(stderr, "%s:%d: %s: CHECK(%s)\n", __FILE__, __LINE__, __func__, #condition); \
        }                                                                                             \
    } while (false)
