// The loops of simd/epilogue.h over the compiler's own vectors. Included by the files of each instruction set only,
// which name theirs by a type in an unnamed namespace: each file then has its own copies of these functions, compiled
// for its own instruction set. For the same reason nothing of the standard library is called here.
#pragma once

#include "simd/epilogue.h"

#define ONNXDC_INLINE __attribute__((always_inline)) inline

namespace onnxdc {

// Vectors of floats, of integers as wide, and of as many doubles.
template <class Set, size_t kCount>
struct FloatVectors {
    static constexpr size_t kLanes = kCount;
    typedef float Vector __attribute__((vector_size(4 * kCount)));
    typedef int Integers __attribute__((vector_size(4 * kCount)));
    typedef double Doubles __attribute__((vector_size(8 * kCount)));
};

// A number as the sum of two floats. The exponent of e^x must be as exact as that: its error is relative in the result.
template <class V>
struct TwoFloats {
    typename V::Vector high, low;

    ONNXDC_INLINE explicit TwoFloats(const typename V::Vector& value) : high(value), low{} {}
    ONNXDC_INLINE explicit TwoFloats(const typename V::Doubles& value)
        : high(__builtin_convertvector(value, typename V::Vector)),
          low(__builtin_convertvector(value - __builtin_convertvector(high, typename V::Doubles), typename V::Vector)) {
    }
    // The sum of two numbers, the first of which is not the smaller one.
    ONNXDC_INLINE TwoFloats(const typename V::Vector& first, const typename V::Vector& second)
        : high(first + second), low(second - (high - first)) {}
};

// -a^2 / 2, with a relative error of 2^-36. Products of twelve bits are exact, which the upper half of a float is.
template <class V>
ONNXDC_INLINE TwoFloats<V> minus_half_square(const typename V::Vector& a) {
    using Vector = typename V::Vector;
    using Integers = typename V::Integers;
    const Vector upper = reinterpret_cast<Vector>(reinterpret_cast<Integers>(a) & ~0xfff), lower = a - upper;
    return TwoFloats<V>(upper * upper * -0.5f, lower * (a + upper) * -0.5f);
}

// e^x for x from -160 to 0, as mantissa * scale * rest: powers of two in two parts, for a product that would otherwise
// lose digits below the smallest normal number. Relative error of the mantissa 1e-7.
template <class V>
struct Exponential {
    typename V::Vector mantissa, scale, rest;

    ONNXDC_INLINE explicit Exponential(const TwoFloats<V>& x) {
        using Vector = typename V::Vector;
        using Integers = typename V::Integers;
        // 1.5 * 2^23 leaves a sum no bits below one: the integer nearest to x / ln(2) is in the low bits.
        const Vector shifted = x.high * 1.44269504f + 12582912.0f;
        const Vector whole = shifted - 12582912.0f;
        const Integers exponent = reinterpret_cast<Integers>(shifted) - 0x4b400000;
        // Of Cody and Waite: ln(2) in two parts, the first of so few bits (355 / 512) that its product is exact.
        const Vector r = x.high - whole * 0.693359375f + whole * 2.12194440e-4f + x.low;
        // (e^r - 1 - r) / r^2 on [-ln(2) / 2, ln(2) / 2], by Remez' algorithm for the least relative error of e^r,
        // which is 4e-9 with the coefficients rounded to floats.
        const Vector tail =
            0.49999994f + r * (0.166665196f + r * (0.0416684039f + r * (0.00836889911f + r * 0.00138142216f)));
        mantissa = 1.0f + (r + r * r * tail);
        const Integers half = exponent >> 1;
        scale = reinterpret_cast<Vector>((half + 127) << 23);
        rest = reinterpret_cast<Vector>((exponent - half + 127) << 23);
    }

    ONNXDC_INLINE typename V::Vector value() const { return mantissa * scale * rest; }
};

// y / (1 + e^-t): about y where t is large, and y * e^t where it is far below zero. Below -150 that is 0 * y, NaN for
// an infinity as in the operators that this stands for: e^-150 is 1e-65, and the smallest float 1e-45.
template <class V>
ONNXDC_INLINE void times_sigmoid(typename V::Vector& y, const TwoFloats<V>& t) {
    using Vector = typename V::Vector;
    TwoFloats<V> below(Vector(t.high > 0.0f ? -t.high : t.high));
    const auto far = below.high < -150.0f;
    below.high = far ? Vector{} - 150.0f : below.high;
    below.low = far ? Vector{} : t.high > 0.0f ? -t.low : t.low;
    const Exponential<V> e(below);
    const Vector denominator = 1.0f + e.value();
    const auto negative = t.high < 0.0f;
    const Vector quotient = (negative ? y * e.mantissa * e.scale : y) / denominator;
    y = negative ? quotient * (far ? Vector{} : e.rest) : quotient;
}

// What y is multiplied by is the normal distribution: for a = |y| its tail beyond a, e^(-a^2 / 2) times what
// erfc(a / sqrt(2)) e^(a^2 / 2) / 2 is, or one less that. Beyond 16 the tail is 0: e^-128 is 1e-56.
template <class V>
ONNXDC_INLINE void gelu(typename V::Vector& y) {
    using Vector = typename V::Vector;
    const Vector magnitude = y < 0.0f ? -y : y;
    const auto far = magnitude > 16.0f;
    const Vector a = far ? Vector{} + 16.0f : magnitude;
    const Exponential<V> e(minus_half_square<V>(a));
    // The second factor times a + 2.5 is smooth in t = (a - 2.5) / (a + 2.5), from -1 at 0 to 0.72, beyond which the
    // first one is 0. By Remez' algorithm for the least relative error, which is 1.6e-8; rounded to floats.
    const Vector inverse = 1.0f / (a + 2.5f), t = (a - 2.5f) * inverse;
    Vector ratio = -0.000157852919f + Vector{};
    ratio = -0.00031188273f + t * ratio;
    ratio = 0.000684440543f + t * ratio;
    ratio = 0.00252415356f + t * ratio;
    ratio = -0.00160078681f + t * ratio;
    ratio = -0.0163862426f + t * ratio;
    ratio = 0.00923586264f + t * ratio;
    ratio = 0.131986991f + t * ratio;
    ratio = -0.433692008f + t * ratio;
    ratio = 0.706656635f + t * ratio;
    const Vector tail = ratio * inverse * e.mantissa * e.scale, rest = far ? Vector{} : e.rest;
    y = y < 0.0f ? y * tail * rest : y * (1.0f - tail * rest);
}

template <class V>
ONNXDC_INLINE void gelu_tanh(typename V::Vector& y) {
    using Doubles = typename V::Doubles;
    const Doubles exact = __builtin_convertvector(y, Doubles);
    // 2 sqrt(2 / pi), and that times 0.044715, of the definition of Gelu's approximation.
    times_sigmoid<V>(y, TwoFloats<V>(Doubles(exact * (1.5957691216057308 + 0.07135481627159626 * exact * exact))));
}

// Applies `activation` to whole vectors; the last one is filled up with zeros.
template <class V, class Function>
ONNXDC_INLINE void finish_each(const float* residual, float* y, size_t count, Function activation) {
    // The state of the loops:
    //   y, residual    the next output, and what is added to it
    //   count          the outputs from there on
    //   value, other   a vector of both
    typename V::Vector value{}, other{};
    for (; count >= V::kLanes; count -= V::kLanes, y += V::kLanes) {
        __builtin_memcpy(&value, y, sizeof value);
        if (residual) {
            __builtin_memcpy(&other, residual, sizeof other);
            value += other;
            residual += V::kLanes;
        }
        activation(value);
        __builtin_memcpy(y, &value, sizeof value);
    }
    if (count == 0) return;
    value = typename V::Vector{};
    for (size_t i = 0; i < count; ++i) value[i] = residual ? y[i] + residual[i] : y[i];
    activation(value);
    for (size_t i = 0; i < count; ++i) y[i] = value[i];
}

// The comparisons are such that a NaN passes.
template <class V>
void finish_outputs(const Epilogue& epilogue, const float* residual, float* y, size_t count) {
    using Vector = typename V::Vector;
    if (epilogue.activation == Activation::none && !residual) return;
    const float a = epilogue.a, b = epilogue.b;
    const auto each = [&](auto activation) { finish_each<V>(residual, y, count, activation); };
    switch (epilogue.activation) {
        case Activation::none: return each([](Vector&) {});
        case Activation::relu: return each([](Vector& v) { v = v < 0.0f ? Vector{} : v; });
        case Activation::clip:
            return each([=](Vector& v) {
                v = v < a ? Vector{} + a : v;
                v = v > b ? Vector{} + b : v;
            });
        case Activation::leaky_relu: return each([=](Vector& v) { v = v < 0.0f ? v * a : v; });
        case Activation::silu: return each([](Vector& v) { times_sigmoid<V>(v, TwoFloats<V>(v)); });
        case Activation::hard_swish:
            return each([](Vector& v) {
                Vector gate = (v + 3.0f) * (1.0f / 6.0f);
                gate = gate < 0.0f ? Vector{} : gate;
                v *= gate > 1.0f ? Vector{} + 1.0f : gate;
            });
        case Activation::gelu: return each([](Vector& v) { gelu<V>(v); });
        case Activation::gelu_tanh: return each([](Vector& v) { gelu_tanh<V>(v); });
    }
}

}  // namespace onnxdc

#undef ONNXDC_INLINE
