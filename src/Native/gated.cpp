// SiLU of one tensor times another: the middle of a gated feed-forward, of which only the two inputs are kept.
#include "lanes.h"

#include <algorithm>

namespace {

PEFT_INLINE float sigmoid(float x) {
    const float e = peft::exp_below_zero(x < 0 ? x : -x), one = 1 / (1 + e);
    return x < 0 ? e * one : one;
}

PEFT_INLINE void forward(const float* gate, const float* up, float* out, int64_t n) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        out[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

PEFT_INLINE void backward(const float* gate, const float* up, const float* gradient, float* dgate, float* dup, int64_t n) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float g = gate[i], s = sigmoid(g), out = gradient[i];
        dgate[i] = out * up[i] * s * (1 + g * (1 - s));
        dup[i] = out * g * s;
    }
}

using Forward = void (*)(const float*, const float*, float*, int64_t);
using Backward = void (*)(const float*, const float*, const float*, float*, float*, int64_t);

void forward_baseline(const float* g, const float* u, float* o, int64_t n) { forward(g, u, o, n); }
PEFT_AVX2 void forward_avx2(const float* g, const float* u, float* o, int64_t n) { forward(g, u, o, n); }
PEFT_AVX512 void forward_avx512(const float* g, const float* u, float* o, int64_t n) { forward(g, u, o, n); }
void backward_baseline(const float* g, const float* u, const float* d, float* dg, float* du, int64_t n) { backward(g, u, d, dg, du, n); }
PEFT_AVX2 void backward_avx2(const float* g, const float* u, const float* d, float* dg, float* du, int64_t n) { backward(g, u, d, dg, du, n); }
PEFT_AVX512 void backward_avx512(const float* g, const float* u, const float* d, float* dg, float* du, int64_t n) { backward(g, u, d, dg, du, n); }

constexpr Variants<Forward> forwards{forward_baseline, forward_avx2, forward_avx512};
constexpr Variants<Backward> backwards{backward_baseline, backward_avx2, backward_avx512};
constexpr int64_t Chunk = 1 << 12;

} // namespace

void peft_gated_silu_f32(int32_t isa, const float* gate, const float* up, int64_t n, float* out) {
    const Forward kernel = forwards.get(peft::clamp_isa(isa));
#pragma omp parallel for schedule(static) if (n > Chunk)
    for (int64_t at = 0; at < n; at += Chunk)
        kernel(gate + at, up + at, out + at, std::min(Chunk, n - at));
}

void peft_gated_silu_backward_f32(int32_t isa, const float* gate, const float* up, const float* gradient, int64_t n, float* dgate,
                                  float* dup) {
    const Backward kernel = backwards.get(peft::clamp_isa(isa));
#pragma omp parallel for schedule(static) if (n > Chunk)
    for (int64_t at = 0; at < n; at += Chunk)
        kernel(gate + at, up + at, gradient + at, dgate + at, dup + at, std::min(Chunk, n - at));
}
