// What the files for AVX-512 have in common. All of it becomes part of its callers, so that no file has another one's
// functions.
#pragma once

#include <immintrin.h>

#include <cstddef>

namespace onnxdc {

// GCC 12 warns of some intrinsics unless they have a mask: with this one they do what those without do.
constexpr __mmask16 kAllLanes = 0xffff;

// Of the first `count` lanes of 16 bytes or floats: of all if there are more.
__attribute__((always_inline)) inline __mmask16 first_lanes(size_t count) {
    return count < 16 ? static_cast<__mmask16>((1u << count) - 1) : kAllLanes;
}

__attribute__((always_inline)) inline __m512i widen(__m128i bytes) {
    return _mm512_maskz_cvtepu8_epi32(kAllLanes, bytes);
}

__attribute__((always_inline)) inline __m512 to_floats(__m512i integers) {
    return _mm512_maskz_cvtepi32_ps(kAllLanes, integers);
}

// To the nearest, of two the even one.
__attribute__((always_inline)) inline __m512i to_integers(__m512 floats) {
    return _mm512_maskz_cvtps_epi32(kAllLanes, floats);
}

// Adds the products of four bytes and four integers to each sum, where there is VNNI. GCC 12 keeps many such sums in
// memory rather than in registers, unless it sees no more of the instruction than this.
__attribute__((always_inline)) inline __m512i add_products(__m512i sums, __m512i bytes, __m512i integers) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(bytes), "v"(integers));
    return sums;
}

}  // namespace onnxdc
