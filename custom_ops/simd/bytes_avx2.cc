#include <immintrin.h>

#include "simd/bytes.h"

namespace onnxdc {
namespace {

inline __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

// The four weights of a quad, again and again.
inline __m256i weights_of(const Quad& quad) {
    int32_t four;
    __builtin_memcpy(&four, quad.weight, sizeof four);
    return _mm256_set1_epi32(four);
}

// Adds the products of four bytes each: in pairs to 16 bits, which hold them, and these to 32.
inline __m256i add_products(__m256i sum, __m256i bytes, __m256i weights) {
    const __m256i pairs = _mm256_maddubs_epi16(bytes, weights);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

constexpr size_t kWide = 32, kNarrow = 8;

void multiply_wide(const QuadBlock& block, const uint8_t* panel, int32_t* sums) {
    // The state of the loops:
    //   row, quad     the row at hand, and its next quad; those of the block come one after the other
    //   sum[i]        the sums of 8 lanes. Bytes of columns are interleaved within halves of registers, so these are
    //                 lanes 4 i .. 4 i + 3 and 16 + 4 i .. 16 + 4 i + 3
    //   c0 .. c3      of the columns that the quad meets all lanes
    //   low, high     of two columns the bytes side by side: lanes 0 .. 7 and 16 .. 23, lanes 8 .. 15 and 24 .. 31
    const Quad* quad = block.quads;
    for (const QuadRow* row = block.rows; row < block.rows + block.row_count; ++row) {
        int32_t* to = sums + row->row * kWide;
        __m256i sum[4];
        for (int i = 0; i < 4; ++i) sum[i] = load(to + 8 * i);
        for (const Quad* end = quad + row->quads; quad < end; ++quad) {
            const __m256i c0 = load(panel + quad->column[0] * kWide), c1 = load(panel + quad->column[1] * kWide),
                          c2 = load(panel + quad->column[2] * kWide), c3 = load(panel + quad->column[3] * kWide);
            const __m256i weights = weights_of(*quad);
            const __m256i low01 = _mm256_unpacklo_epi8(c0, c1), high01 = _mm256_unpackhi_epi8(c0, c1),
                          low23 = _mm256_unpacklo_epi8(c2, c3), high23 = _mm256_unpackhi_epi8(c2, c3);
            sum[0] = add_products(sum[0], _mm256_unpacklo_epi16(low01, low23), weights);
            sum[1] = add_products(sum[1], _mm256_unpackhi_epi16(low01, low23), weights);
            sum[2] = add_products(sum[2], _mm256_unpacklo_epi16(high01, high23), weights);
            sum[3] = add_products(sum[3], _mm256_unpackhi_epi16(high01, high23), weights);
        }
        for (int i = 0; i < 4; ++i) store(to + 8 * i, sum[i]);
    }
}

void multiply_narrow(const QuadBlock& block, const uint8_t* panel, int32_t* sums) {
    // The state of the loops:
    //   row, quad     as above
    //   sum           the sums of all lanes, in their order; `other` those of every second quad
    //   four(quad)    the bytes that it meets, those of a lane side by side
    const auto four = [panel](const Quad& quad) {
        const auto column = [&](int i) {
            return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(panel + quad.column[i] * kNarrow));
        };
        const __m128i first = _mm_unpacklo_epi8(column(0), column(1)), last = _mm_unpacklo_epi8(column(2), column(3));
        return _mm256_set_m128i(_mm_unpackhi_epi16(first, last), _mm_unpacklo_epi16(first, last));
    };
    const Quad* quad = block.quads;
    for (const QuadRow* row = block.rows; row < block.rows + block.row_count; ++row) {
        int32_t* to = sums + row->row * kNarrow;
        __m256i sum = load(to), other = _mm256_setzero_si256();
        const Quad* end = quad + row->quads;
        for (; quad + 1 < end; quad += 2) {
            sum = add_products(sum, four(quad[0]), weights_of(quad[0]));
            other = add_products(other, four(quad[1]), weights_of(quad[1]));
        }
        if (quad < end) {
            sum = add_products(sum, four(*quad), weights_of(*quad));
            ++quad;
        }
        store(to, _mm256_add_epi32(sum, other));
    }
}

// What eight sums become.
inline void finish_lanes(__m256i sum, size_t lane, size_t row, const ByteLanes& lanes, const ByteRows& rows, float* y) {
    const __m256i zeros = _mm256_mullo_epi32(load(lanes.zero + lane), _mm256_set1_epi32(rows.sum[row]));
    const __m256 number = _mm256_cvtepi32_ps(_mm256_sub_epi32(sum, zeros));
    const __m256 scale =
        _mm256_mul_ps(_mm256_loadu_ps(lanes.scale + lane), _mm256_set1_ps(rows.alpha * rows.scale[row]));
    const __m256 bias = rows.bias ? _mm256_set1_ps(rows.bias[row]) : _mm256_setzero_ps();
    _mm256_storeu_ps(y + lane, _mm256_fmadd_ps(number, scale, bias));
}

void finish_wide(const int32_t* sums, size_t rows, const ByteLanes& lanes, const ByteRows& of_rows, float* y) {
    for (size_t row = 0; row < rows; ++row, sums += kWide, y += kWide) {
        const __m256i s0 = load(sums), s1 = load(sums + 8), s2 = load(sums + 16), s3 = load(sums + 24);
        finish_lanes(_mm256_permute2x128_si256(s0, s1, 0x20), 0, row, lanes, of_rows, y);
        finish_lanes(_mm256_permute2x128_si256(s2, s3, 0x20), 8, row, lanes, of_rows, y);
        finish_lanes(_mm256_permute2x128_si256(s0, s1, 0x31), 16, row, lanes, of_rows, y);
        finish_lanes(_mm256_permute2x128_si256(s2, s3, 0x31), 24, row, lanes, of_rows, y);
    }
}

void finish_narrow(const int32_t* sums, size_t rows, const ByteLanes& lanes, const ByteRows& of_rows, float* y) {
    for (size_t row = 0; row < rows; ++row)
        finish_lanes(load(sums + row * kNarrow), 0, row, lanes, of_rows, y + row * kNarrow);
}

inline __m256i first(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

Extremes extremes(const float* x, size_t count) {
    // The state of the loop: of each lane the least and the largest float so far, and the largest magnitude as bits,
    // which grow with it, infinities and NaNs at the end.
    __m256 low = _mm256_setzero_ps(), high = low;
    __m256i magnitude = _mm256_setzero_si256();
    const auto take = [&](__m256 v) {
        low = _mm256_min_ps(low, v);
        high = _mm256_max_ps(high, v);
        const __m256i bits = _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7fffffff));
        magnitude = _mm256_max_epu32(magnitude, bits);
    };
    size_t i = 0;
    for (; i + 8 <= count; i += 8) take(_mm256_loadu_ps(x + i));
    if (i < count) take(_mm256_maskload_ps(x + i, first(count - i)));
    float lows[8], highs[8];
    uint32_t magnitudes[8];
    _mm256_storeu_ps(lows, low);
    _mm256_storeu_ps(highs, high);
    store(magnitudes, magnitude);
    Extremes result{0.0f, 0.0f, true};
    for (int lane = 0; lane < 8; ++lane) {
        result.low = lows[lane] < result.low ? lows[lane] : result.low;
        result.high = highs[lane] > result.high ? highs[lane] : result.high;
        result.finite &= magnitudes[lane] < 0x7f800000u;
    }
    return result;
}

void round_bytes(const float* x, size_t count, float inverse, int32_t zero, uint8_t* bytes) {
    const __m256 factor = _mm256_set1_ps(inverse);
    const __m256i point = _mm256_set1_epi32(zero);
    const auto rounded = [&](__m256 v) {
        return _mm256_add_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(v, factor)), point);
    };
    const auto at = [&](size_t i) { return rounded(_mm256_loadu_ps(x + i)); };
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);  // undoes that of packs
    size_t i = 0;
    for (; i + 32 <= count; i += 32) {
        const __m256i low = _mm256_packs_epi32(at(i), at(i + 8)), high = _mm256_packs_epi32(at(i + 16), at(i + 24));
        store(bytes + i, _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order));
    }
    for (; i < count; i += 8) {
        const size_t left = count - i < 8 ? count - i : 8;
        const __m256i v = rounded(_mm256_maskload_ps(x + i, first(left)));
        const __m256i words = _mm256_packs_epi32(v, v);
        int32_t eight[8];
        store(eight, _mm256_permutevar8x32_epi32(_mm256_packus_epi16(words, words), order));
        // Of the eight numbers four are bytes of the first element, and four of the second.
        const int32_t both[2] = {eight[0], eight[1]};
        __builtin_memcpy(bytes + i, both, left);
    }
}

// In squares of 8, what is left over byte by byte.
void transpose(const uint8_t* from, size_t from_pitch, size_t rows, size_t columns, uint8_t* to, size_t to_pitch) {
    // The state of the loops: row, column are where the square at hand begins.
    const size_t full_rows = rows / 8 * 8, full_columns = columns / 8 * 8;
    for (size_t row = 0; row < full_rows; row += 8) {
        for (size_t column = 0; column < full_columns; column += 8) {
            const uint8_t* square = from + row * from_pitch + column;
            __m128i a[8], b[8];
            for (size_t i = 0; i < 8; ++i)
                a[i] = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(square + i * from_pitch));
            // Rows 0 1, 2 3, 4 5, 6 7 side by side, then 0 .. 3 and 4 .. 7, then all: two columns in each register.
            for (size_t i = 0; i < 4; ++i) b[i] = _mm_unpacklo_epi8(a[2 * i], a[2 * i + 1]);
            for (size_t i = 0; i < 2; ++i) {
                a[2 * i] = _mm_unpacklo_epi16(b[2 * i], b[2 * i + 1]);
                a[2 * i + 1] = _mm_unpackhi_epi16(b[2 * i], b[2 * i + 1]);
            }
            for (size_t i = 0; i < 2; ++i) {
                b[2 * i] = _mm_unpacklo_epi32(a[i], a[2 + i]);
                b[2 * i + 1] = _mm_unpackhi_epi32(a[i], a[2 + i]);
            }
            uint8_t* out = to + column * to_pitch + row;
            for (size_t i = 0; i < 4; ++i) {
                _mm_storel_epi64(reinterpret_cast<__m128i*>(out + 2 * i * to_pitch), b[i]);
                _mm_storeh_pd(reinterpret_cast<double*>(out + (2 * i + 1) * to_pitch), _mm_castsi128_pd(b[i]));
            }
        }
    }
    for (size_t row = 0; row < rows; ++row) {
        for (size_t column = row < full_rows ? full_columns : 0; column < columns; ++column)
            to[column * to_pitch + row] = from[row * from_pitch + column];
    }
}

void gather(const uint8_t* from, size_t pitch, size_t channels, const int64_t* offsets, size_t taps,
            const Segment* segments, size_t count, uint8_t* panel, size_t lanes) {
    // The state of the loops: `from` is the channel's first byte, `panel` the column to fill. What is written beyond a
    // segment is overwritten by the next one, or by the next column.
    for (size_t channel = 0; channel < channels; ++channel, from += pitch) {
        for (size_t tap = 0; tap < taps; ++tap, panel += lanes) {
            for (const Segment* segment = segments; segment < segments + count; ++segment)
                store(panel + segment->to, load(from + offsets[tap] + segment->from));
        }
    }
}

}  // namespace

constexpr ByteKernels kByteKernelsAvx2 = {{kWide, multiply_wide, finish_wide},
                                          {kNarrow, multiply_narrow, finish_narrow},
                                          extremes,
                                          round_bytes,
                                          transpose,
                                          gather};

}  // namespace onnxdc
