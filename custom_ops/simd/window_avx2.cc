#include <immintrin.h>

#include "simd/window.h"

namespace onnxdc {
namespace {

constexpr WindowForm kForm = kNarrowWindows;
constexpr size_t kLanes = kForm.lanes;
constexpr size_t kSteps = WindowForm::kStepsAtOnce, kSlotsOfStep = WindowForm::kSlotsOfStep;
constexpr size_t kSlots = WindowForm::kSlots;
constexpr int kIndexBits = kForm.index_bits;
static_assert(kLanes == 8 && kForm.window() == 2 * kLanes && kForm.words(false) == 1, "a window is two registers");

// How far ahead of its use a float is prefetched, as in window_avx512.cc.
constexpr size_t kPrefetchFloats = 8 * kSlots * kLanes;
constexpr size_t kLineFloats = 64 / sizeof(float);

template <size_t kVectors, bool kMasked>
void multiply(const Windows::Tile& tile, size_t begin, size_t end, const float* x, size_t x_pitch, float* sums,
              size_t sum_pitch) {
    constexpr size_t kParts = kVectors == 1 ? 6 : 2;
    // The state of the loops:
    //   block          the rows at hand, a lane each
    //   three          the three steps at hand, counted through the tile; the block has start[block] up to where the
    //                  next block begins
    //   base, words, floats
    //                  what the arrays of the tile have for these steps; they go on through all blocks without a gap
    //   part[v][p]     a part of the block's sums for vector v of x: slot s of the three steps goes to part s % kParts,
    //                  since a multiply-add takes longer than a slot. The parts together are the sums; part 0 begins
    //                  with what was there.
    //   word           the indices of all slots of these steps
    //   low, high      the window of a step: lane i has input i, or 8 + i, from its base on
    //   index, half    of one slot: which lane of low or high is its input, and, as a sign, whether it is one of high
    const uint32_t* start = tile.start;
    const uint16_t* base = tile.base + size_t{start[begin]} * kSteps;
    const uint32_t* words = tile.words + size_t{start[begin]} * kLanes;
    const float* floats = tile.floats + size_t{start[begin]} * kSlots * kLanes;

    for (size_t block = begin; block < end; ++block) {
        __m256 part[kVectors][kParts];
#pragma GCC unroll 4
        for (size_t v = 0; v < kVectors; ++v) {
            part[v][0] = _mm256_loadu_ps(sums + v * sum_pitch + block * kLanes);
#pragma GCC unroll 6
            for (size_t p = 1; p < kParts; ++p) part[v][p] = _mm256_setzero_ps();
        }
        for (uint32_t three = start[block]; three < start[block + 1]; ++three) {
            const __m256i word = _mm256_load_si256(reinterpret_cast<const __m256i*>(words));
#pragma GCC unroll 3
            for (size_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 4
                for (size_t v = 0; v < kVectors; ++v) {
                    const float* window = x + v * x_pitch + base[step];
                    const __m256 low = _mm256_loadu_ps(window), high = _mm256_loadu_ps(window + kLanes);
#pragma GCC unroll 2
                    for (size_t slot = kSlotsOfStep * step; slot < kSlotsOfStep * (step + 1); ++slot) {
                        // A permutation goes by the low 3 bits of an index, a blend by its highest, as a sign.
                        const auto bit = static_cast<int>(kForm.place(slot, false).bit);
                        const __m256i index = _mm256_srli_epi32(word, bit);
                        const __m256 half = _mm256_castsi256_ps(_mm256_slli_epi32(word, 32 - kIndexBits - bit));
                        const __m256 value = _mm256_load_ps(floats + slot * kLanes);
                        __m256 input = _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, index),
                                                        _mm256_permutevar8x32_ps(high, index), half);
                        if (kMasked) {
                            // Only +0.0 is no nonzero.
                            const __m256i empty =
                                _mm256_cmpeq_epi32(_mm256_castps_si256(value), _mm256_setzero_si256());
                            input = _mm256_andnot_ps(_mm256_castsi256_ps(empty), input);
                        }
                        __m256& sum = part[v][slot % kParts];
                        sum = _mm256_fmadd_ps(value, input, sum);
                    }
                }
            }
#pragma GCC unroll 3
            for (size_t line = 0; line < kSlots * kLanes; line += kLineFloats)
                _mm_prefetch(reinterpret_cast<const char*>(floats + kPrefetchFloats + line), _MM_HINT_T0);
            words += kLanes;
            base += kSteps;
            floats += kSlots * kLanes;
        }
#pragma GCC unroll 4
        for (size_t v = 0; v < kVectors; ++v) {
#pragma GCC unroll 6
            for (size_t p = 1; p < kParts; ++p) part[v][0] = _mm256_add_ps(part[v][0], part[v][p]);
            _mm256_storeu_ps(sums + v * sum_pitch + block * kLanes, part[v][0]);
        }
    }
}

constexpr WindowKernels kernels() {
    WindowKernels kernels{};
    kernels.isa = Isa::kAvx2;
    kernels.form = kForm;
    kernels.few_rows = 2;
    // More do not stay in a last cache: a slot takes 4 bytes, and about half of them are empty.
    kernels.max_nonzeros = 2'000'000;
    kernels.floats[1] = multiply<1, false>;
    kernels.floats[2] = multiply<2, false>;
    kernels.floats[3] = multiply<3, false>;
    kernels.floats[4] = multiply<4, false>;
    kernels.masked_floats = multiply<1, true>;
    return kernels;
}

}  // namespace

constexpr WindowKernels kWindowKernelsAvx2 = kernels();

}  // namespace onnxdc
