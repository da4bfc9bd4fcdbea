// Sums in sixteen lanes, in an order that no instruction set changes, and the exponential that they are made of.
#pragma once

#include "dispatch.h"

#include <limits>

namespace peft {

constexpr int Lanes = 16;
constexpr float Infinity = std::numeric_limits<float>::infinity();

PEFT_INLINE float fold(float* lanes) {
    for (int half = Lanes / 2; half > 0; half /= 2)
        for (int lane = 0; lane < half; lane++)
            lanes[lane] += lanes[lane + half];
    return lanes[0];
}

// The sum of term(i) for i below n.
template <typename Term>
PEFT_INLINE float sum_of(int64_t n, Term term) {
    float lanes[Lanes] = {};
    int64_t i = 0;
    for (; i + Lanes <= n; i += Lanes)
        for (int lane = 0; lane < Lanes; lane++)
            lanes[lane] += term(i + lane);
    for (; i < n; i++)
        lanes[i % Lanes] += term(i);
    return fold(lanes);
}

PEFT_INLINE float sum(const float* x, int64_t n) {
    return sum_of(n, [x](int64_t i) __attribute__((always_inline)) { return x[i]; });
}

PEFT_INLINE float dot(const float* x, const float* y, int64_t n) {
    return sum_of(n, [x, y](int64_t i) __attribute__((always_inline)) { return x[i] * y[i]; });
}

PEFT_INLINE float highest(const float* x, int64_t n) {
    float high = -Infinity;
#pragma omp simd reduction(max : high)
    for (int64_t i = 0; i < n; i++)
        high = x[i] > high ? x[i] : high;
    return high;
}

// 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2], good to a few units in the last place for x <= 0; far below, exactly 0.
PEFT_INLINE float exp_below_zero(float x) {
    constexpr float Lowest = -87.0f, Round = 12582912.0f;
    const float c = x < Lowest ? Lowest : x;
    const float n = (c * 1.44269504f + Round) - Round;
    const float r = c - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
    float power;
    __builtin_memcpy(&power, &bits, sizeof power);
    return x < Lowest ? 0.0f : p * power;
}

} // namespace peft
