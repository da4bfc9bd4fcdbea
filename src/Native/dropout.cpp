// Dropout that keeps no mask: the backward pass draws it again.
#include "random.h"

namespace {

using peft::Dropout;
using Kernel = void (*)(const Dropout&, const float*, const float*, float*, int64_t, int64_t);

PEFT_INLINE void drop(const Dropout& dropout, const float* x, const float* sum, float* out, int64_t first, int64_t n) {
    float mask[peft::RandomBlock];
    for (int64_t begin = 0; begin < n; begin += peft::RandomBlock) {
        const int64_t end = std::min(n, begin + peft::RandomBlock);
        peft::mask(dropout, mask, first + begin, end - begin);
        if (sum) {
#pragma omp simd
            for (int64_t i = begin; i < end; i++)
                out[i] = sum[i] + x[i] * mask[i - begin];
        } else {
#pragma omp simd
            for (int64_t i = begin; i < end; i++)
                out[i] = x[i] * mask[i - begin];
        }
    }
}

void baseline(const Dropout& d, const float* x, const float* sum, float* out, int64_t first, int64_t n) {
    drop(d, x, sum, out, first, n);
}
PEFT_AVX2 void avx2(const Dropout& d, const float* x, const float* sum, float* out, int64_t first, int64_t n) {
    drop(d, x, sum, out, first, n);
}
PEFT_AVX512 void avx512(const Dropout& d, const float* x, const float* sum, float* out, int64_t first, int64_t n) {
    drop(d, x, sum, out, first, n);
}

constexpr Variants<Kernel> kernels{baseline, avx2, avx512};
constexpr int64_t Chunk = 4 * peft::RandomBlock; // smaller tensors stay on one thread

} // namespace

void peft_dropout_f32_isa(int32_t isa, const float* x, const float* sum, float* out, int64_t n, double rate,
                          uint64_t seed) {
    const Dropout dropout(rate, seed);
    const Kernel kernel = kernels.get(std::min(isa, peft_best_isa()));
#pragma omp parallel for schedule(static) if (n > Chunk)
    for (int64_t begin = 0; begin < n; begin += Chunk)
        kernel(dropout, x + begin, sum ? sum + begin : nullptr, out + begin, begin, std::min(Chunk, n - begin));
}

void peft_dropout_f32(const float* x, const float* sum, float* out, int64_t n, double rate, uint64_t seed) {
    peft_dropout_f32_isa(peft_best_isa(), x, sum, out, n, rate, seed);
}
