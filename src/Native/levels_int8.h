// The sixteen levels of 4-bit codes as bytes.
#pragma once

#include <cstdint>

namespace peft {

// The nearest whole number, without a call.
inline float whole(float x) {
    constexpr float Round = 12582912.0f;
    return (x + Round) - Round;
}

// How far levels times a number of steps are from whole numbers, as a part of the steps.
inline float distance(const float* levels, float steps) {
    float sum = 0;
    for (int i = 0; i < 16; i++) {
        const float off = levels[i] * steps - whole(levels[i] * steps);
        sum += off * off;
    }
    return sum / (steps * steps);
}

// Levels, of -1 to 1, as bytes: of up to 127 steps those with which they come closest; moved up by zero.
struct Bytes {
    float steps;
    int32_t zero;
    alignas(64) uint8_t table[64];

    Bytes(const float* levels, int32_t zero) : steps(127), zero(zero) {
        for (float fewer = 126; fewer > 84; fewer--)
            if (distance(levels, fewer) < distance(levels, steps))
                steps = fewer;
        for (int i = 0; i < 64; i++)
            table[i] = static_cast<uint8_t>(zero + static_cast<int32_t>(whole(levels[i % 16] * steps)));
    }
};

// One product after another has the same levels.
inline const Bytes& bytes_of(const float* levels, int32_t zero) {
    static thread_local float known[16];
    static thread_local Bytes bytes(known, 0);
    if (bytes.zero != zero || __builtin_memcmp(known, levels, sizeof known) != 0) {
        __builtin_memcpy(known, levels, sizeof known);
        bytes = Bytes(known, zero);
    }
    return bytes;
}

} // namespace peft
