// Fused AdamW: torch's step makes a dozen passes over memory, this one reads four arrays and writes three, once.
#include "dispatch.h"

#include <algorithm>
#include <cmath>

namespace {

// What is the same for all values of a parameter, worked out in doubles and then rounded, as torch does.
struct Settings {
    float decay, beta1, rest1, beta2, rest2, step_size, root, eps, grad_scale;
};

Settings settings(double lr, double beta1, double beta2, double eps, double weight_decay, int64_t step,
                  double grad_scale) {
    double t = static_cast<double>(step);
    auto f = [](double value) { return static_cast<float>(value); };
    return {f(1 - lr * weight_decay), f(beta1), f(1 - beta1), f(beta2), f(1 - beta2),
            f(lr / (1 - std::pow(beta1, t))), f(std::sqrt(1 - std::pow(beta2, t))), f(eps), f(grad_scale)};
}

PEFT_INLINE void step_range(float* __restrict p, const float* __restrict g, float* __restrict m, float* __restrict v,
                            int64_t n, const Settings& settings) {
    const Settings s = settings;
    for (int64_t i = 0; i < n; i++) {
        float grad = g[i] * s.grad_scale;
        m[i] = s.beta1 * m[i] + s.rest1 * grad;
        v[i] = s.beta2 * v[i] + s.rest2 * grad * grad;
        p[i] = p[i] * s.decay - s.step_size * m[i] / (std::sqrt(v[i]) / s.root + s.eps);
    }
}

using Kernel = void (*)(float*, const float*, float*, float*, int64_t, const Settings&);

void baseline(float* p, const float* g, float* m, float* v, int64_t n, const Settings& s) {
    step_range(p, g, m, v, n, s);
}
PEFT_AVX2 void avx2(float* p, const float* g, float* m, float* v, int64_t n, const Settings& s) {
    step_range(p, g, m, v, n, s);
}
PEFT_AVX512 void avx512(float* p, const float* g, float* m, float* v, int64_t n, const Settings& s) {
    step_range(p, g, m, v, n, s);
}

constexpr Variants<Kernel> kernels{baseline, avx2, avx512};
constexpr int64_t Chunk = 1 << 15; // three arrays in and out of L2; smaller parameters stay on one thread

} // namespace

int32_t peft_adamw_f32_isa(int32_t isa, float* p, const float* g, float* m, float* v, int64_t n, double lr,
                           double beta1, double beta2, double eps, double weight_decay, int64_t step,
                           double grad_scale) {
    if (isa > peft_best_isa())
        return 0;
    const Settings s = settings(lr, beta1, beta2, eps, weight_decay, step, grad_scale);
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
