#include "simd/window.h"

#include <immintrin.h>

namespace onnxdc {
namespace {

// How far ahead of its use a word is prefetched: farther than memory takes to answer.
constexpr size_t kPrefetchWords = 40 * 16;

// As an operator of the compiler's own vectors: GCC 12 warns of its intrinsic for it.
inline __m512i shift_right(__m512i words, int count) {
    typedef uint32_t Words __attribute__((vector_size(64)));
    return reinterpret_cast<__m512i>(reinterpret_cast<Words>(words) >> count);
}

// The slots of three steps.
struct Slots {
    __m512i index[6];  // the low 5 bits count
    __m512 value[6];
    __mmask16 used[6];
};

template <bool kMasked>
inline Slots coded_slots(const uint32_t* words, __m512 low_values, __m512 high_values) {
    Slots slots;
#pragma GCC unroll 6
    for (int slot = 0; slot < 6; ++slot) {
        const __m512i word = _mm512_load_si512(words + slot / 3 * 16);
        slots.index[slot] = shift_right(word, slot % 3 * 10);
        slots.value[slot] = _mm512_permutex2var_ps(low_values, shift_right(word, slot % 3 * 10 + 5), high_values);
        if (kMasked) slots.used[slot] = _mm512_test_epi32_mask(word, _mm512_set1_epi32(31 << (slot % 3 * 10 + 5)));
    }
    return slots;
}

template <bool kMasked>
inline Slots float_slots(const uint32_t* words, const float* floats) {
    const __m512i word = _mm512_load_si512(words);
    Slots slots;
#pragma GCC unroll 6
    for (int slot = 0; slot < 6; ++slot) {
        slots.index[slot] = shift_right(word, slot * 5);
        slots.value[slot] = _mm512_load_ps(floats + slot * 16);
        if (kMasked) {
            // Only +0.0 is no nonzero.
            const __m512i bits = _mm512_castps_si512(slots.value[slot]);
            slots.used[slot] = _mm512_test_epi32_mask(bits, bits);
        }
    }
    return slots;
}

// Each vector's sum is kept in several parts, since a multiply-add takes longer than a slot.
template <size_t kVectors, bool kCoded, bool kMasked>
void multiply(const Windows::Tile& tile, size_t begin, size_t end, const float* x, size_t x_pitch, float* sums,
              size_t sum_pitch) {
    constexpr size_t kParts = kVectors == 1 ? 6 : kVectors == 2 ? 3 : 2;
    constexpr size_t kWords = kCoded ? 32 : 16;
    const uint32_t* start = tile.start;
    const uint16_t* base = tile.base + size_t{start[begin]} * 3;
    const uint32_t* words = tile.words + start[begin] * kWords;
    const float* floats = kCoded ? nullptr : tile.floats + size_t{start[begin]} * 96;
    const __m512 low_values = kCoded ? _mm512_load_ps(tile.values) : _mm512_setzero_ps();
    const __m512 high_values = kCoded ? _mm512_load_ps(tile.values + 16) : _mm512_setzero_ps();

    for (size_t block = begin; block < end; ++block) {
        __m512 part[kVectors][kParts];
#pragma GCC unroll 4
        for (size_t v = 0; v < kVectors; ++v) {
            part[v][0] = _mm512_loadu_ps(sums + v * sum_pitch + block * 16);
#pragma GCC unroll 6
            for (size_t p = 1; p < kParts; ++p) part[v][p] = _mm512_setzero_ps();
        }
        for (uint32_t three = start[block]; three < start[block + 1]; ++three) {
            const Slots slots =
                kCoded ? coded_slots<kMasked>(words, low_values, high_values) : float_slots<kMasked>(words, floats);
#pragma GCC unroll 3
            for (size_t step = 0; step < 3; ++step) {
#pragma GCC unroll 4
                for (size_t v = 0; v < kVectors; ++v) {
                    const float* window = x + v * x_pitch + base[step];
                    const __m512 low = _mm512_loadu_ps(window), high = _mm512_loadu_ps(window + 16);
#pragma GCC unroll 2
                    for (size_t slot = 2 * step; slot < 2 * step + 2; ++slot) {
                        __m512& sum = part[v][slot % kParts];
                        const __m512 input = _mm512_permutex2var_ps(low, slots.index[slot], high);
                        sum = kMasked ? _mm512_mask3_fmadd_ps(slots.value[slot], input, sum, slots.used[slot])
                                      : _mm512_fmadd_ps(slots.value[slot], input, sum);
                    }
                }
            }
            _mm_prefetch(reinterpret_cast<const char*>(words + kPrefetchWords), _MM_HINT_T0);
            if (kCoded) _mm_prefetch(reinterpret_cast<const char*>(words + kPrefetchWords + 16), _MM_HINT_T0);
            words += kWords;
            base += 3;
            if (!kCoded) floats += 96;
        }
#pragma GCC unroll 4
        for (size_t v = 0; v < kVectors; ++v) {
#pragma GCC unroll 6
            for (size_t p = 1; p < kParts; ++p) part[v][0] = _mm512_add_ps(part[v][0], part[v][p]);
            _mm512_storeu_ps(sums + v * sum_pitch + block * 16, part[v][0]);
        }
    }
}

constexpr WindowKernels kernels() {
    WindowKernels kernels{};
    kernels.isa = Isa::kAvx512;
    kernels.form = kWideWindows;
    kernels.few_rows = 4;
    kernels.max_nonzeros = SIZE_MAX;
    kernels.coded[1] = multiply<1, true, false>;
    kernels.coded[2] = multiply<2, true, false>;
    kernels.coded[3] = multiply<3, true, false>;
    kernels.coded[4] = multiply<4, true, false>;
    kernels.floats[1] = multiply<1, false, false>;
    kernels.floats[2] = multiply<2, false, false>;
    kernels.floats[3] = multiply<3, false, false>;
    kernels.floats[4] = multiply<4, false, false>;
    kernels.masked_coded = multiply<1, true, true>;
    kernels.masked_floats = multiply<1, false, true>;
    return kernels;
}

}  // namespace

constexpr WindowKernels kWindowKernelsAvx512 = kernels();

}  // namespace onnxdc
