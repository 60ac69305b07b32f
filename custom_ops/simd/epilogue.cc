#include "simd/epilogue.h"

#include "simd/epilogue_loops.h"

namespace onnxdc {
namespace {

// Vectors of four floats are in the base of every 64-bit instruction set, NEON's among them; elsewhere the compiler
// takes them apart.
struct Base {};

void finish_base(const Epilogue& epilogue, const float* residual, float* y, size_t count) {
    finish_outputs<FloatVectors<Base, 4>>(epilogue, residual, y, count);
}

}  // namespace

Finish finish_kernel(Isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case Isa::kAvx512: return finish_avx512;
        case Isa::kAvx2: return finish_avx2;
#endif
        default: return finish_base;
    }
}

}  // namespace onnxdc
