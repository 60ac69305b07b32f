#include "simd/pixels.h"

#include "layouts/lanes.h"
#include "simd/avx512.h"
#include "simd/transpose_loops.h"

namespace onnxdc {
namespace {

struct Avx512 {};  // so that templates of it are this file's own

constexpr size_t kLanes = 16;

inline __m512i low_twos(__m512i a, __m512i b) { return _mm512_maskz_unpacklo_epi32(kAllLanes, a, b); }
inline __m512i high_twos(__m512i a, __m512i b) { return _mm512_maskz_unpackhi_epi32(kAllLanes, a, b); }
inline __m512i low_fours(__m512i a, __m512i b) { return _mm512_maskz_unpacklo_epi64(0xff, a, b); }
inline __m512i high_fours(__m512i a, __m512i b) { return _mm512_maskz_unpackhi_epi64(0xff, a, b); }

// 16 pixels of 16 channels, rounded: bytes [pixel i of each four][four pixels apart][channel].
struct ByteSquare {
    __m512i pixel[4];
};

// `channel(c)` has the 16 pixels of channel c as integers, less the zero point, of which `zero` holds as many as fit.
template <class Channel>
inline ByteSquare pack_square(const Channel& channel, __m512i zero) {
    // In each quarter of a register the bytes of four channels at four pixels: first pixel by pixel within a channel,
    // then channel by channel within a pixel.
    const __m512i turn =
        _mm512_maskz_broadcast_i32x4(kAllLanes, _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const auto four = [&](size_t c) __attribute__((always_inline)) {
        const __m512i low = _mm512_add_epi16(_mm512_packs_epi32(channel(c), channel(c + 1)), zero),
                      high = _mm512_add_epi16(_mm512_packs_epi32(channel(c + 2), channel(c + 3)), zero);
        return _mm512_shuffle_epi8(_mm512_packus_epi16(low, high), turn);
    };
    // Then the fours of a pixel side by side.
    const __m512i v0 = four(0), v1 = four(4), v2 = four(8), v3 = four(12);
    const __m512i low01 = low_twos(v0, v1), high01 = high_twos(v0, v1), low23 = low_twos(v2, v3),
                  high23 = high_twos(v2, v3);
    return {{low_fours(low01, low23), high_fours(low01, low23), low_fours(high01, high23), high_fours(high01, high23)}};
}

// Writes the first `pixels` pixels of the square, of each the first `channels` channels.
inline void store_square(const ByteSquare& square, size_t pixels, size_t channels, uint8_t* to, size_t to_pitch) {
    alignas(64) uint8_t bytes[4][64];
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) _mm512_store_si512(bytes[i], square.pixel[i]);
    const auto pixel = [&](size_t i) { return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes[i % 4]) + i / 4); };
    if (channels == kLanes) {
        for (size_t i = 0; i < pixels; ++i, to += to_pitch) _mm_storeu_si128(reinterpret_cast<__m128i*>(to), pixel(i));
    } else {
        const __mmask16 mask = first_lanes(channels);
        for (size_t i = 0; i < pixels; ++i, to += to_pitch) _mm_mask_storeu_epi8(to, mask, pixel(i));
    }
}

// `pixels` floats that lie `step` apart, and nothing else.
inline __m512 load_some(const float* x, size_t step, size_t pixels) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __mmask16 mask = first_lanes(pixels);
    if (step == 1) return _mm512_maskz_loadu_ps(mask, x);
    const __m512i place = _mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int>(step)));
    if (step > 2) return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, place, x, sizeof *x);
    const size_t reach = 2 * pixels - 1;
    const __m512 low = _mm512_maskz_loadu_ps(first_lanes(reach), x),
                 high = _mm512_maskz_loadu_ps(first_lanes(reach < kLanes ? 0 : reach - kLanes), x + kLanes);
    return _mm512_permutex2var_ps(low, place, high);
}

void round_pixels(const PixelRow& row, float inverse, int32_t zero, uint8_t* to, size_t to_pitch) {
    // The state of the loops: channel, pixel are where the square at hand begins. Its channels one after the other, so
    // that what the processor fetches ahead are 16 rows of floats.
    const __m512 factor = _mm512_set1_ps(inverse);
    const __m512i zeros = _mm512_set1_epi16(static_cast<int16_t>(zero));
    for (size_t channel = 0; channel < row.channels; channel += kLanes) {
        const size_t channels = row.channels - channel < kLanes ? row.channels - channel : kLanes;
        for (size_t pixel = 0; pixel < row.pixels; pixel += kLanes) {
            const size_t pixels = row.pixels - pixel < kLanes ? row.pixels - pixel : kLanes;
            const float* x = row.x + channel * row.pitch + pixel * row.step;
            const auto integers = [&](__m512 v)
                                      __attribute__((always_inline)) { return to_integers(_mm512_mul_ps(v, factor)); };
            const auto next_to_each_other = [&](size_t c) __attribute__((always_inline)) {
                return integers(_mm512_loadu_ps(x + c * row.pitch));
            };
            const auto some = [&](size_t c) __attribute__((always_inline)) {
                return c < channels ? integers(load_some(x + c * row.pitch, row.step, pixels)) : _mm512_setzero_si512();
            };
            const bool full = pixels == kLanes && channels == kLanes && row.step == 1;
            const ByteSquare square = full ? pack_square(next_to_each_other, zeros) : pack_square(some, zeros);
            store_square(square, pixels, channels, to + pixel * to_pitch + channel, to_pitch);
        }
    }
}

// What turns the sums of 16 rows, from `place` on, into floats.
struct RowOutputs {
    __m512i zeros;
    __m512 factor, bias;
};

__attribute__((always_inline)) inline RowOutputs outputs_of(const PixelBand& band, size_t place, int32_t zero,
                                                            float scale) {
    return {_mm512_mullo_epi32(_mm512_set1_epi32(zero), _mm512_load_si512(band.sum + place)),
            _mm512_mul_ps(_mm512_set1_ps(scale), _mm512_load_ps(band.scale + place)),
            _mm512_load_ps(band.bias + place)};
}

__attribute__((always_inline)) inline __m512 output_of(const int32_t* sums, const RowOutputs& rows) {
    return _mm512_fmadd_ps(to_floats(_mm512_sub_epi32(_mm512_load_si512(sums), rows.zeros)), rows.factor, rows.bias);
}

// Of two numbers that do not compare these instructions yield the second.
__attribute__((always_inline)) inline __m512 limit(__m512 y, const PixelOutput& output) {
    return _mm512_maskz_min_ps(kAllLanes, _mm512_set1_ps(output.high),
                               _mm512_maskz_max_ps(kAllLanes, _mm512_set1_ps(output.low), y));
}

// What the sums of 16 rows at up to 16 pixels become. Sums of pixels that are not there are those of the next block, or
// memory that has no meaning, and nothing is written of them.
//
// Part of its caller: GCC 12 ends no function with vzeroupper that calls one with vectors as arguments, and then the
// next instruction of SSE takes hundreds of cycles.
template <bool kIsFull, bool kHasResidual>
__attribute__((always_inline)) inline void finish_block(const int32_t* sums, size_t pixels, const PixelBand& band,
                                                        size_t place, int32_t zero, float scale,
                                                        const PixelOutput& output) {
    // `square` has a vector of rows for each pixel, then a vector of pixels for each row.
    Lanes<kLanes>::Vector square[kLanes];
    const RowOutputs rows = outputs_of(band, place, zero, scale);
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; ++i) square[i] = output_of(sums + i * kLanes, rows);
    swap_halves<Avx512, kLanes, kLanes / 2>(square, std::make_integer_sequence<int, kLanes>());
    const __mmask16 mask = first_lanes(pixels);
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; ++i) {
        if (!kIsFull && place + i >= band.count) break;
        const size_t to = band.row[place + i] * output.pitch;
        __m512 y = square[i];
        if (kHasResidual) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(mask, output.residual + to));
        _mm512_mask_storeu_ps(output.y + to, mask, limit(y, output));
    }
}

template <bool kHasResidual>
__attribute__((always_inline)) inline void finish_blocks(const int32_t* sums, size_t pitch, size_t pixels,
                                                         const PixelBand& band, int32_t zero, float scale,
                                                         const PixelOutput& output) {
    // The state of the loop: `place` is that of the block's first row.
    size_t place = 0;
    for (; place + kLanes <= band.count; place += kLanes, sums += pitch * kLanes)
        finish_block<true, kHasResidual>(sums, pixels, band, place, zero, scale, output);
    if (place < band.count) finish_block<false, kHasResidual>(sums, pixels, band, place, zero, scale, output);
}

// The same for one pixel, where to turn 16 by 16 numbers would take four times as long.
__attribute__((always_inline)) inline void finish_pixel(const int32_t* sums, size_t pitch, const PixelBand& band,
                                                        int32_t zero, float scale, const PixelOutput& output) {
    // The state of the loop: place is that of the first of 16 rows, whose sums are at `sums`.
    //   mask           which of them there are
    //   to             where their outputs are, in floats from output.y on
    //   y              the outputs, a lane for each row
    for (size_t place = 0; place < band.count; place += kLanes, sums += pitch * kLanes) {
        const __mmask16 mask = first_lanes(band.count - place);
        const __m512i to =
            _mm512_mullo_epi32(_mm512_loadu_si512(band.row + place), _mm512_set1_epi32(static_cast<int>(output.pitch)));
        __m512 y = output_of(sums, outputs_of(band, place, zero, scale));
        if (output.residual) {
            y = _mm512_add_ps(y,
                              _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, to, output.residual, sizeof(float)));
        }
        _mm512_mask_i32scatter_ps(output.y, mask, to, limit(y, output), sizeof(float));
    }
}

// Planes whose outputs of a band 32 bits tell apart.
constexpr size_t kMaxScattered = size_t{1} << 24;

void finish(const int32_t* sums, size_t pitch, size_t pixels, const PixelBand& band, int32_t zero, float scale,
            const PixelOutput& output) {
    if (pixels == 1 && output.pitch <= kMaxScattered) {
        finish_pixel(sums, pitch, band, zero, scale, output);
    } else if (output.residual) {
        finish_blocks<true>(sums, pitch, pixels, band, zero, scale, output);
    } else {
        finish_blocks<false>(sums, pitch, pixels, band, zero, scale, output);
    }
}

void move_bases(const uint32_t* bases, size_t count, const uint32_t* starts, uint32_t shift, uint32_t* moved) {
    // The state of the loop: i is the first of 16 bases.
    //   by, rest       how far a base is shifted to be a span, and the bits that are its column in the span
    //   mask           which bases there are
    //   span, start    the spans of these bases, and where they start
    const __m128i by = _mm_cvtsi32_si128(static_cast<int>(shift));
    const __m512i rest = _mm512_set1_epi32(static_cast<int>((uint32_t{1} << shift) - 1));
    for (size_t i = 0; i < count; i += kLanes) {
        const __mmask16 mask = first_lanes(count - i);
        const __m512i base = _mm512_maskz_loadu_epi32(mask, bases + i), span = _mm512_maskz_srl_epi32(mask, base, by);
        const __m512i start = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), mask, span, starts, sizeof *starts);
        _mm512_mask_storeu_epi32(moved + i, mask, _mm512_add_epi32(start, _mm512_and_si512(base, rest)));
    }
}

}  // namespace

constexpr PixelKernels kPixelKernelsAvx512 = {round_pixels, finish, move_bases};

}  // namespace onnxdc
