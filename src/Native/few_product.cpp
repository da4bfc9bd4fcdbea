// Products of a few tokens with a matrix that is read once. BLAS packs such a matrix first, as it does for many tokens.
#include "lanes.h"

namespace {

// Two of them are the sixteen lanes: one register would do on AVX-512, but memory is slower than either.
constexpr int Width = peft::Lanes / 2;
typedef float Half __attribute__((vector_size(4 * Width), aligned(4)));
typedef uint32_t HalfBits __attribute__((vector_size(4 * Width)));
typedef uint16_t Brief __attribute__((vector_size(2 * Width), aligned(2)));

PEFT_INLINE void widen(const float* x, Half& out) { out = *reinterpret_cast<const Half*>(x); }

// A bfloat16 is the upper half of a float.
PEFT_INLINE void widen(const uint16_t* x, Half& out) {
    const HalfBits bits = __builtin_convertvector(*reinterpret_cast<const Brief*>(x), HalfBits) << 16;
    __builtin_memcpy(&out, &bits, sizeof out);
}

PEFT_INLINE float widen(float x) { return x; }

PEFT_INLINE float widen(uint16_t x) {
    const uint32_t bits = static_cast<uint32_t>(x) << 16;
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

// One row of the matrix and some tokens.
template <int Tokens, typename Weight>
PEFT_INLINE void multiply(const Weight* row, int64_t n, const float* x, float bias, float* y, int64_t stride) {
    Half low[Tokens] = {}, high[Tokens] = {};
    int64_t i = 0;
    for (; i + peft::Lanes <= n; i += peft::Lanes) {
        Half w, u;
        widen(row + i, w);
        widen(row + i + Width, u);
        for (int t = 0; t < Tokens; t++) {
            low[t] += w * *reinterpret_cast<const Half*>(x + t * n + i);
            high[t] += u * *reinterpret_cast<const Half*>(x + t * n + i + Width);
        }
    }
    for (int t = 0; t < Tokens; t++) {
        float lanes[peft::Lanes];
        *reinterpret_cast<Half*>(lanes) = low[t];
        *reinterpret_cast<Half*>(lanes + Width) = high[t];
        for (int64_t k = i; k < n; k++)
            lanes[k % peft::Lanes] += widen(row[k]) * x[t * n + k];
        y[t * stride] = peft::fold(lanes) + bias;
    }
}

template <typename Weight>
struct Matrix {
    const Weight* values;
    const float* bias;
    int64_t rows, columns;
};

constexpr int64_t Most = 4; // tokens whose sums stay in registers

template <typename Weight>
PEFT_INLINE void rows_of(const Matrix<Weight>& m, int64_t first, int64_t last, const float* x, int64_t tokens, float* y) {
    for (int64_t r = first; r < last; r++) {
        const Weight* row = m.values + r * m.columns;
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

template <typename Weight>
using Kernel = void (*)(const Matrix<Weight>&, int64_t, int64_t, const float*, int64_t, float*);

template <typename W>
void baseline(const Matrix<W>& m, int64_t first, int64_t last, const float* x, int64_t n, float* y) { rows_of(m, first, last, x, n, y); }
template <typename W>
PEFT_AVX2 void avx2(const Matrix<W>& m, int64_t first, int64_t last, const float* x, int64_t n, float* y) { rows_of(m, first, last, x, n, y); }
template <typename W>
PEFT_AVX512 void avx512(const Matrix<W>& m, int64_t first, int64_t last, const float* x, int64_t n, float* y) { rows_of(m, first, last, x, n, y); }

template <typename Weight>
void product(int32_t isa, const Matrix<Weight>& m, const float* x, int64_t tokens, float* y) {
    constexpr Variants<Kernel<Weight>> kernels{baseline<Weight>, avx2<Weight>, avx512<Weight>};
    const Kernel<Weight> kernel = kernels.get(peft::clamp_isa(isa));
    const int64_t chunk = std::max<int64_t>(1, peft::ParallelFrom / std::max<int64_t>(1, m.columns));
#pragma omp parallel for schedule(static) if (m.rows > chunk)
    for (int64_t row = 0; row < m.rows; row += chunk)
        kernel(m, row, std::min(m.rows, row + chunk), x, tokens, y);
}

} // namespace

void peft_few_product_f32(int32_t isa, const float* matrix, const float* bias, int64_t rows, int64_t columns, const float* x,
                          int64_t tokens, float* y) {
    product<float>(isa, {matrix, bias, rows, columns}, x, tokens, y);
}

void peft_few_product_bf16(int32_t isa, const uint16_t* matrix, const float* bias, int64_t rows, int64_t columns, const float* x,
                           int64_t tokens, float* y) {
    product<uint16_t>(isa, {matrix, bias, rows, columns}, x, tokens, y);
}
