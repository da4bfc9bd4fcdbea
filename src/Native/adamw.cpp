// Fused AdamW: torch's step makes a dozen passes over memory, this one reads four arrays and writes three, once.
#include "adamw.h"

#include <algorithm>

namespace {

using peft::AdamW;

using Kernel = void (*)(float*, const float*, float*, float*, int64_t, const AdamW&);

void baseline(float* p, const float* g, float* m, float* v, int64_t n, const AdamW& s) {
    peft::step_range(p, g, m, v, n, s);
}
PEFT_AVX2 void avx2(float* p, const float* g, float* m, float* v, int64_t n, const AdamW& s) {
    peft::step_range(p, g, m, v, n, s);
}
PEFT_AVX512 void avx512(float* p, const float* g, float* m, float* v, int64_t n, const AdamW& s) {
    peft::step_range(p, g, m, v, n, s);
}

constexpr Variants<Kernel> kernels{baseline, avx2, avx512};
constexpr int64_t Chunk = 1 << 15; // three arrays in and out of L2; smaller parameters stay on one thread

} // namespace

int32_t peft_adamw_f32_isa(int32_t isa, float* p, const float* g, float* m, float* v, int64_t n, double lr,
                           double beta1, double beta2, double eps, double weight_decay, int64_t step,
                           double grad_scale) {
    if (isa > peft_best_isa())
        return 0;
    const AdamW s(lr, beta1, beta2, eps, weight_decay, step, grad_scale);
    const Kernel kernel = kernels.get(isa);
#pragma omp parallel for schedule(static) if (n > Chunk)
    for (int64_t begin = 0; begin < n; begin += Chunk)
        kernel(p + begin, g + begin, m + begin, v + begin, std::min(Chunk, n - begin), s);
    return 1;
}

void peft_adamw_f32(float* p, const float* g, float* m, float* v, int64_t n, double lr, double beta1, double beta2,
                    double eps, double weight_decay, int64_t step, double grad_scale) {
    peft_adamw_f32_isa(peft_best_isa(), p, g, m, v, n, lr, beta1, beta2, eps, weight_decay, step, grad_scale);
}
