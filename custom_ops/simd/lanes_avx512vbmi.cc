#include "simd/lanes.h"

#include "simd/avx512.h"

namespace onnxdc {
namespace {

constexpr size_t kLanes = WindowLanes::kLanes;
constexpr size_t kPrefetchedSteps = 32;

inline __m512i permute(__m512i index, __m512i bytes) { return _mm512_maskz_permutexvar_epi8(~0ull, index, bytes); }

// Sums of one input that do not wait for each other, where there are few: an instruction takes five cycles, and one
// can start in each.
constexpr size_t chains_of(size_t inputs) { return inputs > 4 ? 1 : inputs > 2 ? 2 : 4; }

template <size_t kInputs>
void multiply(const LaneBand& band, const LaneInputs& x, bool add, int32_t* sums) {
    constexpr size_t kChains = chains_of(kInputs), kFirst = (kInputs + 1) / 2;
    // The state of the loops:
    //   i, end         the next step, and that after the block's last one
    //   sum[c][t]      of input t the sums of 16 lanes, over every kChains-th step
    //   index, weight  of the step at hand: the slots, four side by side for each lane
    //   offset[t]      where the inputs of each half are, in bytes from its first
    size_t offset[kFirst];
#pragma GCC unroll 16
    for (size_t t = 0; t < kFirst; ++t) offset[t] = t * x.pitch;
    for (size_t block = 0; block < WindowLanes::kBandBlocks; ++block, sums += kInputs * kLanes) {
        __m512i sum[kChains][kInputs];
#pragma GCC unroll 16
        for (size_t t = 0; t < kInputs; ++t) {
            sum[0][t] = add ? _mm512_load_si512(sums + t * kLanes) : _mm512_setzero_si512();
#pragma GCC unroll 4
            for (size_t c = 1; c < kChains; ++c) sum[c][t] = _mm512_setzero_si512();
        }
        const auto take_step = [&](size_t i, __m512i* to) __attribute__((always_inline)) {
            const LaneStep* step = band.step + i;
            const __m512i index = _mm512_load_si512(step->index), weight = _mm512_load_si512(step->weight);
            _mm_prefetch(reinterpret_cast<const char*>(step + kPrefetchedSteps), _MM_HINT_T0);
            _mm_prefetch(reinterpret_cast<const char*>((step + kPrefetchedSteps)->weight), _MM_HINT_T0);
            const uint8_t* first = x.first + band.base[i];
            const uint8_t* second = x.second + band.base[i];
#pragma GCC unroll 16
            for (size_t t = 0; t < kInputs; ++t) {
                const uint8_t* window = t < kFirst ? first + offset[t] : second + offset[t - kFirst];
                to[t] = add_products(to[t], permute(index, _mm512_loadu_si512(window)), weight);
            }
        };
        size_t i = band.start[block];
        const size_t end = band.start[block + 1];
        for (; i + kChains <= end; i += kChains) {
#pragma GCC unroll 4
            for (size_t c = 0; c < kChains; ++c) take_step(i + c, sum[c]);
        }
        for (; i < end; ++i) take_step(i, sum[0]);
#pragma GCC unroll 16
        for (size_t t = 0; t < kInputs; ++t) {
#pragma GCC unroll 4
            for (size_t c = 1; c < kChains; ++c) sum[0][t] = _mm512_add_epi32(sum[0][t], sum[c][t]);
            _mm512_store_si512(sums + t * kLanes, sum[0][t]);
        }
    }
}

void finish(const int32_t* sums, const uint8_t* places, size_t inputs, size_t rows, const ByteLanes& of_inputs,
            const ByteRows& of_rows, float* y, size_t y_pitch) {
    // Of 16 rows of the band each, which are the outputs' order:
    //   mask         which there are
    //   place        where their sums are: the lowest five bits count through two blocks
    //   far          which are in the last two blocks
    //   row_sum, scale, bias    of the rows
    constexpr size_t kVectors = WindowLanes::kBandBlocks;
    __mmask16 mask[kVectors], far[kVectors];
    __m512i place[kVectors], row_sum[kVectors];
    __m512 scale[kVectors], bias[kVectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) {
        const size_t row = v * kLanes;
        mask[v] = row < rows ? first_lanes(rows - row) : __mmask16{0};
        place[v] = widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(places + row)));
        far[v] = _mm512_test_epi32_mask(place[v], _mm512_set1_epi32(2 * kLanes));
        row_sum[v] = _mm512_maskz_loadu_epi32(mask[v], of_rows.sum + row);
        scale[v] = _mm512_mul_ps(_mm512_set1_ps(of_rows.alpha), _mm512_maskz_loadu_ps(mask[v], of_rows.scale + row));
        bias[v] = of_rows.bias ? _mm512_maskz_loadu_ps(mask[v], of_rows.bias + row) : _mm512_setzero_ps();
    }
    const size_t pitch = inputs * kLanes;
    for (size_t input = 0; input < inputs; ++input, sums += kLanes, y += y_pitch) {
        const __m512i s0 = _mm512_load_si512(sums), s1 = _mm512_load_si512(sums + pitch),
                      s2 = _mm512_load_si512(sums + 2 * pitch), s3 = _mm512_load_si512(sums + 3 * pitch);
        const __m512i zero = _mm512_set1_epi32(of_inputs.zero[input]);
        const __m512 input_scale = _mm512_set1_ps(of_inputs.scale[input]);
#pragma GCC unroll 4
        for (size_t v = 0; v < kVectors; ++v) {
            const __m512i sum = _mm512_mask_mov_epi32(_mm512_permutex2var_epi32(s0, place[v], s1), far[v],
                                                      _mm512_permutex2var_epi32(s2, place[v], s3));
            const __m512 number = to_floats(_mm512_sub_epi32(sum, _mm512_mullo_epi32(zero, row_sum[v])));
            const __m512 factor = _mm512_mul_ps(input_scale, scale[v]);
            _mm512_mask_storeu_ps(y + v * kLanes, mask[v], _mm512_fmadd_ps(number, factor, bias[v]));
        }
    }
}

}  // namespace

constexpr LaneKernels kLaneKernelsAvx512Vbmi = {
    {nullptr, multiply<1>, multiply<2>, multiply<3>, multiply<4>, multiply<5>, multiply<6>, multiply<7>, multiply<8>,
     multiply<9>, multiply<10>, multiply<11>, multiply<12>, multiply<13>, multiply<14>, multiply<15>, multiply<16>},
    finish};

}  // namespace onnxdc
