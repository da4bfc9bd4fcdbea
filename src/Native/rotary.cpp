// Rotary positions: the two halves of each head are turned against each other by their position's angles.
#include "dispatch.h"

namespace {

PEFT_INLINE void turn(float* x, const float* cosine, const float* sine, float sign, int64_t heads, int64_t half) {
    for (int64_t h = 0; h < heads; h++, x += 2 * half) {
#pragma omp simd
        for (int64_t i = 0; i < half; i++) {
            const float left = x[i], right = x[half + i], s = sign * sine[i];
            x[i] = left * cosine[i] - right * s;
            x[half + i] = right * cosine[i] + left * s;
        }
    }
}

using Kernel = void (*)(float*, const float*, const float*, float, int64_t, int64_t);

void baseline(float* x, const float* c, const float* s, float sign, int64_t heads, int64_t half) { turn(x, c, s, sign, heads, half); }
PEFT_AVX2 void avx2(float* x, const float* c, const float* s, float sign, int64_t heads, int64_t half) { turn(x, c, s, sign, heads, half); }
PEFT_AVX512 void avx512(float* x, const float* c, const float* s, float sign, int64_t heads, int64_t half) { turn(x, c, s, sign, heads, half); }

constexpr Variants<Kernel> kernels{baseline, avx2, avx512};

} // namespace

void peft_rotary_f32(int32_t isa, float* x, const float* cosine, const float* sine, int32_t back, int64_t rows, int64_t positions,
                     int64_t heads, int64_t size) {
    const Kernel kernel = kernels.get(peft::clamp_isa(isa));
    const int64_t half = size / 2;
#pragma omp parallel for schedule(static) if (rows * heads * size > peft::ParallelFrom)
    for (int64_t r = 0; r < rows; r++)
        kernel(x + r * heads * size, cosine + r % positions * half, sine + r % positions * half, back ? -1.0f : 1.0f, heads, half);
}
