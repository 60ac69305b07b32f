#include "isa/features.h"

namespace onnxdc {

Features processor_features() {
    Features features = 0;
    [[maybe_unused]] const auto add = [&](Features feature, bool is_there) { features |= is_there ? feature : 0; };
#if defined(__x86_64__)
    // This also asks whether the operating system saves the wide registers.
    add(feature::kAvx2, __builtin_cpu_supports("avx2"));
    add(feature::kFma, __builtin_cpu_supports("fma"));
    add(feature::kAvx512f, __builtin_cpu_supports("avx512f"));
    add(feature::kAvx512bw, __builtin_cpu_supports("avx512bw"));
    add(feature::kAvx512dq, __builtin_cpu_supports("avx512dq"));
    add(feature::kAvx512vl, __builtin_cpu_supports("avx512vl"));
#elif defined(__aarch64__)
    add(feature::kNeon, true);  // part of every AArch64 processor
#endif
    return features;
}

}  // namespace onnxdc
