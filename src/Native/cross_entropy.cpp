// Cross-entropy and its gradient in one go, in the logits' own memory: torch's would pass over them eight times.
#include "lanes.h"

#include <cmath>

namespace {

// The loss -ln p(label); the logits become p - one, or zeros where there is no label.
PEFT_INLINE float row(float* logits, int64_t n, int64_t label) {
    if (label < 0) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            logits[i] = 0;
        return 0;
    }
    const float high = peft::highest(logits, n), wanted = logits[label];
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        logits[i] = peft::exp_below_zero(logits[i] - high);
    // Added up in pieces: a vocabulary's worth of floats in one lane would lose digits.
    double total = 0;
    constexpr int64_t Piece = 1024;
    for (int64_t at = 0; at < n; at += Piece)
        total += peft::sum(logits + at, n - at < Piece ? n - at : Piece);
    const float part = static_cast<float>(1 / total);
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        logits[i] *= part;
    logits[label] -= 1;
    return static_cast<float>(high - wanted + std::log(total));
}

using Kernel = float (*)(float*, int64_t, int64_t);

float baseline(float* x, int64_t n, int64_t label) { return row(x, n, label); }
PEFT_AVX2 float avx2(float* x, int64_t n, int64_t label) { return row(x, n, label); }
PEFT_AVX512 float avx512(float* x, int64_t n, int64_t label) { return row(x, n, label); }

constexpr Variants<Kernel> kernels{baseline, avx2, avx512};

} // namespace

void peft_cross_entropy_f32(int32_t isa, float* logits, const int64_t* labels, int64_t rows, int64_t classes, float* losses) {
    const Kernel kernel = kernels.get(peft::clamp_isa(isa));
#pragma omp parallel for schedule(static) if (rows > 1)
    for (int64_t r = 0; r < rows; r++)
        losses[r] = kernel(logits + r * classes, classes, labels[r]);
}
