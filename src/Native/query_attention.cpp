// Attention of single queries, as decoding asks for it: keys and values are read once where the cache holds them.
#include "lanes.h"
#include "scratch.h"

#include <cmath>

namespace {

// One head: scores [keys] is scratch.
PEFT_INLINE void head(const peft_query& a, const float* q, const float* k, const float* v, const float* mask, float scale,
                      float* scores, float* out) {
    for (int64_t i = 0; i < a.keys; i++)
        scores[i] = peft::dot(q, k + i * a.size, a.size) * scale + (mask ? mask[i] : 0.0f);
    const float high = peft::highest(scores, a.keys);
    for (int64_t d = 0; d < a.size; d++)
        out[d] = 0;
    if (high == -peft::Infinity) // no key: all zeros
        return;
#pragma omp simd
    for (int64_t i = 0; i < a.keys; i++)
        scores[i] = peft::exp_below_zero(scores[i] - high);
    const float part = 1 / peft::sum(scores, a.keys);
    for (int64_t i = 0; i < a.keys; i++) {
        const float p = scores[i] * part, *row = v + i * a.size;
#pragma omp simd
        for (int64_t d = 0; d < a.size; d++)
            out[d] += p * row[d];
    }
}

using Kernel = void (*)(const peft_query&, const float*, const float*, const float*, const float*, float, float*, float*);

void baseline(const peft_query& a, const float* q, const float* k, const float* v, const float* m, float scale, float* s, float* out) {
    head(a, q, k, v, m, scale, s, out);
}
PEFT_AVX2 void avx2(const peft_query& a, const float* q, const float* k, const float* v, const float* m, float scale, float* s, float* out) {
    head(a, q, k, v, m, scale, s, out);
}
PEFT_AVX512 void avx512(const peft_query& a, const float* q, const float* k, const float* v, const float* m, float scale, float* s, float* out) {
    head(a, q, k, v, m, scale, s, out);
}

constexpr Variants<Kernel> kernels{baseline, avx2, avx512};

} // namespace

int32_t peft_query_attention_f32(int32_t isa, const peft_query* query, float* out) {
    const peft_query& a = *query;
    const Kernel kernel = kernels.get(peft::clamp_isa(isa));
    const float scale = static_cast<float>(a.scale);
    const int64_t tasks = a.batch * a.heads, shared = a.heads / a.groups;
    const bool parallel = tasks * a.keys * a.size > peft::ParallelFrom;
    const peft::Scratch<float> scores(a.keys, peft::threads_of(parallel));
    if (!scores)
        return PEFT_NO_MEMORY;
#pragma omp parallel for schedule(static) if (parallel)
    for (int64_t task = 0; task < tasks; task++) {
        const int64_t b = task / a.heads, h = task % a.heads, at = b * a.batch_stride + h / shared * a.group_stride;
        const float* mask = a.mask ? a.mask + b * a.mask_batch + h * a.mask_head : nullptr;
        kernel(a, a.q + task * a.size, a.k + at, a.v + at, mask, scale, scores.mine(), out + task * a.size);
    }
    return PEFT_DONE;
}
