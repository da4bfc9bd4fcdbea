// AdamW's step over floats: what its kernels share.
#pragma once

#include "dispatch.h"

#include <cmath>

namespace peft {

// What is the same for all values of a parameter, worked out in doubles and then rounded, as torch does.
struct AdamW {
    float decay, beta1, rest1, beta2, rest2, step_size, root, eps, grad_scale;

    AdamW(double lr, double b1, double b2, double epsilon, double weight_decay, int64_t step, double scale)
        : decay(static_cast<float>(1 - lr * weight_decay)), beta1(static_cast<float>(b1)), rest1(static_cast<float>(1 - b1)),
          beta2(static_cast<float>(b2)), rest2(static_cast<float>(1 - b2)),
          step_size(static_cast<float>(lr / (1 - std::pow(b1, static_cast<double>(step))))),
          root(static_cast<float>(std::sqrt(1 - std::pow(b2, static_cast<double>(step))))),
          eps(static_cast<float>(epsilon)), grad_scale(static_cast<float>(scale)) {}
};

PEFT_INLINE void step_range(float* __restrict p, const float* __restrict g, float* __restrict m, float* __restrict v,
                            int64_t n, const AdamW& settings) {
    const AdamW s = settings;
    for (int64_t i = 0; i < n; i++) {
        float grad = g[i] * s.grad_scale;
        m[i] = s.beta1 * m[i] + s.rest1 * grad;
        v[i] = s.beta2 * v[i] + s.rest2 * grad * grad;
        p[i] = p[i] * s.decay - s.step_size * m[i] / (std::sqrt(v[i]) / s.root + s.eps);
    }
}

} // namespace peft
