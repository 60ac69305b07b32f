#include "simd/epilogue.h"

#include "simd/epilogue_loops.h"
#include "simd/family.h"

namespace onnxdc {
namespace {

// Vectors of four floats are in the base of every 64-bit instruction set, NEON's among them; elsewhere the compiler
// takes them apart.
struct Base {};

void finish_base(const Epilogue& epilogue, const float* residual, float* y, size_t count) {
    finish_outputs<FloatVectors<Base, 4>>(epilogue, residual, y, count);
}

constexpr Variant<Finish> kFamily[] = {
#if defined(__x86_64__)
    {features_of(Isa::kAvx512), finish_avx512},
    {features_of(Isa::kAvx2), finish_avx2},
#endif
    {0, finish_base},
};

}  // namespace

Finish finish_kernel(Isa isa) { return best_of(kFamily, features_of(isa)); }

}  // namespace onnxdc
