#include "simd/window.h"

#include <immintrin.h>

namespace onnxdc {
namespace {

constexpr WindowForm kForm = kWideWindows;
constexpr size_t kLanes = kForm.lanes;
constexpr size_t kSteps = WindowForm::kStepsAtOnce, kSlotsOfStep = WindowForm::kSlotsOfStep;
constexpr size_t kSlots = WindowForm::kSlots;
static_assert(kLanes == 16 && kForm.window() == 2 * kLanes && kForm.max_codes() == 2 * kLanes, "two registers each");

// How far ahead of its use a word is prefetched: the processor's own prefetching ends with each page. Between a quarter
// and four times as far is all the same on Zen 4.
constexpr size_t kPrefetchWords = 40 * kLanes;

// As an operator of the compiler's own vectors: GCC 12 warns of its intrinsic for it.
inline __m512i shift_right(__m512i words, uint32_t count) {
    typedef uint32_t Words __attribute__((vector_size(64)));
    return reinterpret_cast<__m512i>(reinterpret_cast<Words>(words) >> count);
}

// What each slot of three steps has in every lane: an index into the window in the low index_bits, above which are
// others that permutations ignore; the nonzero; and, where that is asked for, whether there is one.
struct Slots {
    __m512i index[kSlots];
    __m512 value[kSlots];
    __mmask16 used[kSlots];
};

template <bool kMasked>
inline Slots coded_slots(const uint32_t* words, __m512 low_values, __m512 high_values) {
    Slots slots;
#pragma GCC unroll 6
    for (size_t slot = 0; slot < kSlots; ++slot) {
        const WindowForm::Place place = kForm.place(slot, true);
        const uint32_t code_bit = place.bit + kForm.index_bits;
        const __m512i word = _mm512_load_si512(words + place.word * kLanes);
        slots.index[slot] = shift_right(word, place.bit);
        slots.value[slot] = _mm512_permutex2var_ps(low_values, shift_right(word, code_bit), high_values);
        // Only code 0 is no nonzero.
        constexpr uint32_t kCode = kForm.max_codes() - 1;
        if (kMasked)
            slots.used[slot] = _mm512_test_epi32_mask(word, _mm512_set1_epi32(static_cast<int>(kCode << code_bit)));
    }
    return slots;
}

template <bool kMasked>
inline Slots float_slots(const uint32_t* words, const float* floats) {
    const __m512i word = _mm512_load_si512(words);
    Slots slots;
#pragma GCC unroll 6
    for (size_t slot = 0; slot < kSlots; ++slot) {
        slots.index[slot] = shift_right(word, kForm.place(slot, false).bit);
        slots.value[slot] = _mm512_load_ps(floats + slot * kLanes);
        if (kMasked) {
            // Only +0.0 is no nonzero.
            const __m512i bits = _mm512_castps_si512(slots.value[slot]);
            slots.used[slot] = _mm512_test_epi32_mask(bits, bits);
        }
    }
    return slots;
}

template <size_t kVectors, bool kCoded, bool kMasked>
void multiply(const Windows::Tile& tile, size_t begin, size_t end, const float* x, size_t x_pitch, float* sums,
              size_t sum_pitch) {
    constexpr size_t kParts = kVectors == 1 ? 6 : kVectors == 2 ? 3 : 2;
    constexpr size_t kWords = kForm.words(kCoded) * kLanes;
    // The state of the loops:
    //   block          the rows at hand, a lane each
    //   three          the three steps at hand, counted through the tile; the block has start[block] up to where the
    //                  next block begins
    //   base, words, floats
    //                  what the arrays of the tile have for these steps; they go on through all blocks without a gap
    //   part[v][p]     a part of the block's sums for vector v of x: slot s of the three steps goes to part s % kParts,
    //                  since a multiply-add takes longer than a slot. The parts together are the sums; part 0 begins
    //                  with what was there.
    //   slots          what these steps have of each slot, for all vectors of x
    //   low, high      the window of a step: lane i has input i, or 16 + i, from its base on
    //   low_values, high_values
    //                  the values of the codes, in the same way
    const uint32_t* start = tile.start;
    const uint16_t* base = tile.base + size_t{start[begin]} * kSteps;
    const uint32_t* words = tile.words + start[begin] * kWords;
    const float* floats = kCoded ? nullptr : tile.floats + size_t{start[begin]} * kSlots * kLanes;
    const __m512 low_values = kCoded ? _mm512_load_ps(tile.values) : _mm512_setzero_ps();
    const __m512 high_values = kCoded ? _mm512_load_ps(tile.values + kLanes) : _mm512_setzero_ps();

    for (size_t block = begin; block < end; ++block) {
        __m512 part[kVectors][kParts];
#pragma GCC unroll 4
        for (size_t v = 0; v < kVectors; ++v) {
            part[v][0] = _mm512_loadu_ps(sums + v * sum_pitch + block * kLanes);
#pragma GCC unroll 6
            for (size_t p = 1; p < kParts; ++p) part[v][p] = _mm512_setzero_ps();
        }
        for (uint32_t three = start[block]; three < start[block + 1]; ++three) {
            const Slots slots =
                kCoded ? coded_slots<kMasked>(words, low_values, high_values) : float_slots<kMasked>(words, floats);
#pragma GCC unroll 3
            for (size_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 4
                for (size_t v = 0; v < kVectors; ++v) {
                    const float* window = x + v * x_pitch + base[step];
                    const __m512 low = _mm512_loadu_ps(window), high = _mm512_loadu_ps(window + kLanes);
#pragma GCC unroll 2
                    for (size_t slot = kSlotsOfStep * step; slot < kSlotsOfStep * (step + 1); ++slot) {
                        __m512& sum = part[v][slot % kParts];
                        const __m512 input = _mm512_permutex2var_ps(low, slots.index[slot], high);
                        sum = kMasked ? _mm512_mask3_fmadd_ps(slots.value[slot], input, sum, slots.used[slot])
                                      : _mm512_fmadd_ps(slots.value[slot], input, sum);
                    }
                }
            }
            _mm_prefetch(reinterpret_cast<const char*>(words + kPrefetchWords), _MM_HINT_T0);
            if (kCoded) _mm_prefetch(reinterpret_cast<const char*>(words + kPrefetchWords + kLanes), _MM_HINT_T0);
            words += kWords;
            base += kSteps;
            if (!kCoded) floats += kSlots * kLanes;
        }
#pragma GCC unroll 4
        for (size_t v = 0; v < kVectors; ++v) {
#pragma GCC unroll 6
            for (size_t p = 1; p < kParts; ++p) part[v][0] = _mm512_add_ps(part[v][0], part[v][p]);
            _mm512_storeu_ps(sums + v * sum_pitch + block * kLanes, part[v][0]);
        }
    }
}

constexpr WindowKernels kernels() {
    WindowKernels kernels{};
    kernels.isa = Isa::kAvx512;
    kernels.form = kForm;
    // As many as kernels take at a time: on Zen 4 that is faster than on panels, and twice that number is not.
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
