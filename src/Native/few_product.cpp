// Products of a few tokens with a matrix that is read once. BLAS packs such a matrix first, as it does for many tokens.
#include "lanes.h"

namespace {

// Two of them are the sixteen lanes: one register would do on AVX-512, but memory is slower than either.
typedef float Half __attribute__((vector_size(sizeof(float) * peft::Lanes / 2), aligned(sizeof(float))));
constexpr int Width = peft::Lanes / 2;

// One row of the matrix and some tokens.
template <int Tokens>
PEFT_INLINE void multiply(const float* row, int64_t n, const float* x, float bias, float* y, int64_t stride) {
    Half low[Tokens] = {}, high[Tokens] = {};
    int64_t i = 0;
    for (; i + peft::Lanes <= n; i += peft::Lanes) {
        const Half *w = reinterpret_cast<const Half*>(row + i), *u = reinterpret_cast<const Half*>(row + i + Width);
        for (int t = 0; t < Tokens; t++) {
            low[t] += *w * *reinterpret_cast<const Half*>(x + t * n + i);
            high[t] += *u * *reinterpret_cast<const Half*>(x + t * n + i + Width);
        }
    }
    for (int t = 0; t < Tokens; t++) {
        float lanes[peft::Lanes];
        *reinterpret_cast<Half*>(lanes) = low[t];
        *reinterpret_cast<Half*>(lanes + Width) = high[t];
        for (int64_t k = i; k < n; k++)
            lanes[k % peft::Lanes] += row[k] * x[t * n + k];
        y[t * stride] = peft::fold(lanes) + bias;
    }
}

constexpr int64_t Most = 4; // tokens whose sums stay in registers

struct Matrix {
    const float *values, *bias;
    int64_t rows, columns;
};

PEFT_INLINE void rows_of(const Matrix& m, int64_t first, int64_t last, const float* x, int64_t tokens, float* y) {
    for (int64_t r = first; r < last; r++) {
        const float* row = m.values + r * m.columns;
        const float bias = m.bias ? m.bias[r] : 0.0f;
        for (int64_t t = 0; t < tokens; t += Most) {
            const float* at = x + t * m.columns;
            float* out = y + t * m.rows + r;
            switch (std::min(Most, tokens - t)) {
            case 1: multiply<1>(row, m.columns, at, bias, out, m.rows); break;
            case 2: multiply<2>(row, m.columns, at, bias, out, m.rows); break;
            case 3: multiply<3>(row, m.columns, at, bias, out, m.rows); break;
            default: multiply<Most>(row, m.columns, at, bias, out, m.rows);
            }
        }
    }
}

using Kernel = void (*)(const Matrix&, int64_t, int64_t, const float*, int64_t, float*);

void baseline(const Matrix& m, int64_t first, int64_t last, const float* x, int64_t tokens, float* y) { rows_of(m, first, last, x, tokens, y); }
PEFT_AVX2 void avx2(const Matrix& m, int64_t first, int64_t last, const float* x, int64_t tokens, float* y) { rows_of(m, first, last, x, tokens, y); }
PEFT_AVX512 void avx512(const Matrix& m, int64_t first, int64_t last, const float* x, int64_t tokens, float* y) { rows_of(m, first, last, x, tokens, y); }

constexpr Variants<Kernel> kernels{baseline, avx2, avx512};

} // namespace

void peft_few_product_f32(int32_t isa, const float* matrix, const float* bias, int64_t rows, int64_t columns, const float* x,
                          int64_t tokens, float* y) {
    const Kernel kernel = kernels.get(peft::clamp_isa(isa));
    const Matrix m{matrix, bias, rows, columns};
    const int64_t chunk = std::max<int64_t>(1, peft::ParallelFrom / std::max<int64_t>(1, columns));
#pragma omp parallel for schedule(static) if (rows > chunk)
    for (int64_t row = 0; row < rows; row += chunk)
        kernel(m, row, std::min(rows, row + chunk), x, tokens, y);
}
