#include "simd/epilogue_loops.h"

namespace onnxdc {
namespace {

struct Avx512 {};

}  // namespace

void finish_avx512(const Epilogue& epilogue, const float* residual, float* y, size_t count) {
    finish_outputs<FloatVectors<Avx512, 16>>(epilogue, residual, y, count);
}

}  // namespace onnxdc
