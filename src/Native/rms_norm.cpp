// Root mean square norm: torch has no kernel for it and makes five passes over memory.
#include "lanes.h"

#include <cmath>

namespace {

PEFT_INLINE void forward_row(const float* x, const float* weight, int64_t n, double eps, float* out, float* scale) {
    const float squares = peft::dot(x, x, n);
    const float s = static_cast<float>(1 / std::sqrt(static_cast<double>(squares) / static_cast<double>(n) + eps));
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] * s * weight[i];
    *scale = s;
}

// d(x·s)/dx with s = (mean(x²) + ε)^(-1/2): the row's own direction is taken out.
PEFT_INLINE void backward_row(const float* x, const float* weight, const float* gradient, int64_t n, float s, float* dx) {
    const float along = peft::sum_of(n, [=](int64_t i) __attribute__((always_inline)) { return gradient[i] * weight[i] * x[i]; });
    const float back = along * s * s * s / static_cast<float>(n);
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dx[i] = gradient[i] * weight[i] * s - x[i] * back;
}

using Forward = void (*)(const float*, const float*, int64_t, double, float*, float*);
using Backward = void (*)(const float*, const float*, const float*, int64_t, float, float*);

void forward_baseline(const float* x, const float* w, int64_t n, double eps, float* out, float* s) { forward_row(x, w, n, eps, out, s); }
PEFT_AVX2 void forward_avx2(const float* x, const float* w, int64_t n, double eps, float* out, float* s) { forward_row(x, w, n, eps, out, s); }
PEFT_AVX512 void forward_avx512(const float* x, const float* w, int64_t n, double eps, float* out, float* s) { forward_row(x, w, n, eps, out, s); }
void backward_baseline(const float* x, const float* w, const float* g, int64_t n, float s, float* dx) { backward_row(x, w, g, n, s, dx); }
PEFT_AVX2 void backward_avx2(const float* x, const float* w, const float* g, int64_t n, float s, float* dx) { backward_row(x, w, g, n, s, dx); }
PEFT_AVX512 void backward_avx512(const float* x, const float* w, const float* g, int64_t n, float s, float* dx) { backward_row(x, w, g, n, s, dx); }

constexpr Variants<Forward> forwards{forward_baseline, forward_avx2, forward_avx512};
constexpr Variants<Backward> backwards{backward_baseline, backward_avx2, backward_avx512};

} // namespace

void peft_rms_norm_f32(int32_t isa, const float* x, const float* weight, int64_t rows, int64_t width, double eps, float* out,
                       float* scales) {
    const Forward kernel = forwards.get(peft::clamp_isa(isa));
#pragma omp parallel for schedule(static) if (rows * width > peft::ParallelFrom)
    for (int64_t r = 0; r < rows; r++)
        kernel(x + r * width, weight, width, eps, out + r * width, scales + r);
}

void peft_rms_norm_backward_f32(int32_t isa, const float* x, const float* weight, const float* scales, const float* gradient,
                                int64_t rows, int64_t width, float* dx) {
    const Backward kernel = backwards.get(peft::clamp_isa(isa));
#pragma omp parallel for schedule(static) if (rows * width > peft::ParallelFrom)
    for (int64_t r = 0; r < rows; r++)
        kernel(x + r * width, weight, gradient + r * width, width, scales[r], dx + r * width);
}
