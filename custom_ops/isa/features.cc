#include "isa/features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace onnxdc {

#if defined(__x86_64__)

// Asked of the processor itself: __builtin_cpu_supports() needs a part of the compiler's runtime that not every system
// gets from it, and says no to everything there.
Features processor_features() {
    constexpr uint32_t kOsxsave = 1u << 27, kFma = 1u << 12;        // leaf 1, ecx
    constexpr uint32_t kAvx2 = 1u << 5, kAvx512f = 1u << 16;        // leaf 7, ebx
    constexpr uint32_t kAvx512dq = 1u << 17, kAvx512bw = 1u << 30;  // leaf 7, ebx
    constexpr uint32_t kAvx512vl = 1u << 31;                        // leaf 7, ebx
    constexpr uint32_t kVbmi = 1u << 1, kVnni = 1u << 11;           // leaf 7, ecx
    constexpr uint32_t kAvxVnni = 1u << 4;                          // leaf 7, part 1, eax
    constexpr uint32_t kSavesAvx = 0x06, kSavesAvx512 = 0xe6;       // of XCR0: which registers are saved
    uint32_t eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & kOsxsave)) return 0;
    const bool fma = ecx & kFma;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return 0;
    uint32_t more = 0, unused;
    if (eax >= 1) __get_cpuid_count(7, 1, &more, &unused, &unused, &unused);

    // The operating system must save the wide registers when it switches between threads.
    uint32_t saved, upper;
    __asm__("xgetbv" : "=a"(saved), "=d"(upper) : "c"(0));
    Features features = 0;
    const auto add = [&](Features feature, bool is_there) { features |= is_there ? feature : 0; };
    if (has_all(saved, kSavesAvx)) {
        add(feature::kFma, fma);
        add(feature::kAvx2, ebx & kAvx2);
        add(feature::kAvxVnni, more & kAvxVnni);
    }
    if (has_all(saved, kSavesAvx512)) {
        add(feature::kAvx512f, ebx & kAvx512f);
        add(feature::kAvx512bw, ebx & kAvx512bw);
        add(feature::kAvx512dq, ebx & kAvx512dq);
        add(feature::kAvx512vl, ebx & kAvx512vl);
        add(feature::kAvx512Vnni, ecx & kVnni);
        add(feature::kAvx512Vbmi, ecx & kVbmi);
    }
    return features;
}

#elif defined(__aarch64__)

// NEON is part of every AArch64 processor, and its dot product of all that Apple makes for computers.
Features processor_features() {
#if defined(__APPLE__)
    return feature::kNeon | feature::kNeonDot;
#elif defined(__linux__)
    constexpr unsigned long kDot = 1ul << 20;  // HWCAP_ASIMDDP
    return feature::kNeon | (getauxval(AT_HWCAP) & kDot ? feature::kNeonDot : 0);
#else
    return feature::kNeon;
#endif
}

#else

Features processor_features() { return 0; }

#endif

}  // namespace onnxdc
