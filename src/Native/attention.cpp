// Attention with dropout on its probabilities, one (batch, head) a task and a block of queries at a time, so that scores
// stay in the cache and no [batch, heads, queries, keys] array exists. The backward pass computes scores and mask again.
#include "lanes.h"
#include "random.h"
#include "scratch.h"

namespace {

using peft::Dropout;
using peft::dot, peft::exp_below_zero, peft::highest, peft::Infinity, peft::sum;

PEFT_INLINE void exp_minus(float* x, float shift, int64_t n) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        x[i] = exp_below_zero(x[i] - shift);
}

PEFT_INLINE void add(float* x, const float* mask, int64_t n) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        x[i] += mask[i];
}

// Scores become dropped probabilities; the result is the logarithm of the row's sum of exponentials.
PEFT_INLINE float forward_row(const Dropout& dropout, float* scores, const float* mask, float* keep, int64_t first,
                              int64_t n) {
    if (mask)
        add(scores, mask, n);
    const float high = highest(scores, n);
    if (high == -Infinity && sum(scores, n) == -Infinity) { // no key: all zeros, here and in the backward pass
        std::fill(scores, scores + n, 0.0f);
        return Infinity;
    }
    exp_minus(scores, high, n);
    const float total = sum(scores, n), part = 1 / total;
    peft::mask(dropout, keep, first, n);
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        scores[i] *= part * keep[i];
    return high + std::log(total);
}

// Scores become dropped probabilities; the gradients of those become the gradients of the scores.
PEFT_INLINE void backward_row(const Dropout& dropout, float* scores, const float* mask, float* keep, float* gradient,
                              float log_sum, int64_t first, int64_t n) {
    if (mask)
        add(scores, mask, n);
    exp_minus(scores, log_sum, n);
    peft::mask(dropout, keep, first, n);
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        gradient[i] *= keep[i];
    const float mean = dot(scores, gradient, n);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        gradient[i] = scores[i] * (gradient[i] - mean);
        scores[i] *= keep[i];
    }
}

// The rows first to first + rows of one (batch, head).
struct Rows {
    float *scores, *gradient, *keep;
    const float* mask;
    int64_t mask_stride, first, rows, keys;
};

using Forward = void (*)(const Dropout&, const Rows&, float*);
using Backward = void (*)(const Dropout&, const Rows&, const float*);

PEFT_INLINE void forward_rows(const Dropout& dropout, const Rows& r, float* log_sums) {
    for (int64_t i = 0; i < r.rows; i++)
        log_sums[i] = forward_row(dropout, r.scores + i * r.keys, r.mask ? r.mask + i * r.mask_stride : nullptr, r.keep,
                                  (r.first + i) * r.keys, r.keys);
}

PEFT_INLINE void backward_rows(const Dropout& dropout, const Rows& r, const float* log_sums) {
    for (int64_t i = 0; i < r.rows; i++)
        backward_row(dropout, r.scores + i * r.keys, r.mask ? r.mask + i * r.mask_stride : nullptr, r.keep,
                     r.gradient + i * r.keys, log_sums[i], (r.first + i) * r.keys, r.keys);
}

void forward_baseline(const Dropout& d, const Rows& r, float* s) { forward_rows(d, r, s); }
PEFT_AVX2 void forward_avx2(const Dropout& d, const Rows& r, float* s) { forward_rows(d, r, s); }
PEFT_AVX512 void forward_avx512(const Dropout& d, const Rows& r, float* s) { forward_rows(d, r, s); }
void backward_baseline(const Dropout& d, const Rows& r, const float* s) { backward_rows(d, r, s); }
PEFT_AVX2 void backward_avx2(const Dropout& d, const Rows& r, const float* s) { backward_rows(d, r, s); }
PEFT_AVX512 void backward_avx512(const Dropout& d, const Rows& r, const float* s) { backward_rows(d, r, s); }

constexpr Variants<Forward> forwards{forward_baseline, forward_avx2, forward_avx512};
constexpr Variants<Backward> backwards{backward_baseline, backward_avx2, backward_avx512};

// C[m, n] = alpha · op(A) · op(B) + beta · C on rows; BLAS thinks in columns and so gets the factors the other way round.
struct Gemm {
    peft_sgemm sgemm;

    void operator()(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t lda,
                    const float* b, int64_t ldb, float beta, float* c, int64_t ldc) const {
        const int32_t sizes[] = {static_cast<int32_t>(n), static_cast<int32_t>(m), static_cast<int32_t>(k)};
        const int32_t strides[] = {static_cast<int32_t>(ldb), static_cast<int32_t>(lda), static_cast<int32_t>(ldc)};
        sgemm(tb ? "T" : "N", ta ? "T" : "N", &sizes[0], &sizes[1], &sizes[2], &alpha, b, &strides[0], a, &strides[1],
              &beta, c, &strides[2]);
    }
};

// One (batch, head): where its parts lie, and the blocks of queries whose scores fit into half an L2 cache.
struct Head {
    const peft_attention& a;
    int64_t width, queries, keys, task;

    Head(const peft_attention& a, int64_t task)
        : a(a), width(a.heads * a.size), queries((task / a.heads * a.queries) * width + task % a.heads * a.size),
          keys((task / a.heads * a.keys) * width + task % a.heads * a.size), task(task) {}

    static int64_t block(const peft_attention& a) {
        return std::min(a.queries, std::max<int64_t>(16, (1 << 15) / std::max<int64_t>(1, a.keys)));
    }

    Rows rows(int64_t begin, float* scratch) const {
        const int64_t step = block(a), area = step * a.keys;
        const float* mask = a.mask ? a.mask + task / a.heads * a.mask_batch + task % a.heads * a.mask_head +
                                         begin * a.mask_query
                                   : nullptr;
        return {scratch, scratch + area, scratch + 2 * area, mask, a.mask_query, task * a.queries + begin,
                std::min(step, a.queries - begin), a.keys};
    }
};

template <typename Task>
int32_t each_head(const peft_attention& a, Task task) {
    const int64_t tasks = a.batch * a.heads;
    const peft::Scratch<float> scratch(2 * Head::block(a) * a.keys + a.keys, peft::threads_of(tasks > 1));
    if (!scratch)
        return PEFT_NO_MEMORY;
#pragma omp parallel for schedule(dynamic) if (tasks > 1)
    for (int64_t i = 0; i < tasks; i++)
        task(Head(a, i), scratch.mine());
    return PEFT_DONE;
}

} // namespace

int32_t peft_attention_forward_f32(const peft_attention* attention, float* out, float* log_sums) {
    const peft_attention& a = *attention;
    const Dropout dropout(a.rate, a.seed);
    const Forward kernel = forwards.get(peft_best_isa());
    const Gemm gemm{a.sgemm};
    const float scale = static_cast<float>(a.scale);
    return each_head(a, [&](const Head& h, float* scratch) {
        for (int64_t begin = 0; begin < a.queries; begin += Head::block(a)) {
            const Rows r = h.rows(begin, scratch);
            const int64_t at = h.queries + begin * h.width;
            gemm(false, true, r.rows, a.keys, a.size, scale, a.q + at, h.width, a.k + h.keys, h.width, 0, r.scores, a.keys);
            kernel(dropout, r, log_sums + r.first);
            gemm(false, false, r.rows, a.size, a.keys, 1, r.scores, a.keys, a.v + h.keys, h.width, 0, out + at, h.width);
        }
    });
}

int32_t peft_attention_backward_f32(const peft_attention* attention, const float* log_sums, const float* gradient,
                                 float* dq, float* dk, float* dv) {
    const peft_attention& a = *attention;
    const Dropout dropout(a.rate, a.seed);
    const Backward kernel = backwards.get(peft_best_isa());
    const Gemm gemm{a.sgemm};
    const float scale = static_cast<float>(a.scale);
    return each_head(a, [&](const Head& h, float* scratch) {
        for (int64_t begin = 0; begin < a.queries; begin += Head::block(a)) {
            const Rows r = h.rows(begin, scratch);
            const int64_t at = h.queries + begin * h.width;
            const float before = begin == 0 ? 0.0f : 1.0f;
            gemm(false, true, r.rows, a.keys, a.size, scale, a.q + at, h.width, a.k + h.keys, h.width, 0, r.scores, a.keys);
            gemm(false, true, r.rows, a.keys, a.size, 1, gradient + at, h.width, a.v + h.keys, h.width, 0, r.gradient, a.keys);
            kernel(dropout, r, log_sums + r.first);
            if (dv)
                gemm(true, false, a.keys, a.size, r.rows, 1, r.scores, a.keys, gradient + at, h.width, before, dv + h.keys, h.width);
            if (dq)
                gemm(false, false, r.rows, a.size, a.keys, scale, r.gradient, a.keys, a.k + h.keys, h.width, 0, dq + at, h.width);
            if (dk)
                gemm(true, false, a.keys, a.size, r.rows, scale, r.gradient, a.keys, a.q + at, h.width, before, dk + h.keys, h.width);
        }
    });
}
