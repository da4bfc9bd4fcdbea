// The largest magnitude of some values, which is what blocks of codes are scaled by.
#pragma once

#include "dispatch.h"

namespace peft {

// Magnitudes as integers, so that an infinity or a NaN wins.
PEFT_INLINE float largest(const float* x, int64_t n) {
    int32_t high = 0;
#pragma omp simd reduction(max : high)
    for (int64_t i = 0; i < n; i++) {
        int32_t bits;
        __builtin_memcpy(&bits, x + i, sizeof bits);
        bits &= 0x7FFFFFFF;
        high = bits > high ? bits : high;
    }
    float value;
    __builtin_memcpy(&value, &high, sizeof value);
    return value;
}

} // namespace peft
