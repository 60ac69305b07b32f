#include "simd/epilogue_loops.h"

namespace onnxdc {
namespace {

struct Avx2 {};

}  // namespace

void finish_avx2(const Epilogue& epilogue, const float* residual, float* y, size_t count) {
    finish_outputs<FloatVectors<Avx2, 8>>(epilogue, residual, y, count);
}

}  // namespace onnxdc
