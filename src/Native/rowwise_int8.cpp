// Products of matrices of signed bytes, a scale for each row, with activations rounded to 8 bits: the integers of a group of
// columns add up exactly.
#include "activations_int8.h"

namespace {

using peft::Activations;
using peft::Group;

constexpr int64_t Most = 4; // tokens whose sums stay in registers

// A row and tokens first to first + tokens, at most Most of them, without the row's scale.
using Dot = void (*)(const int8_t* row, const Activations& x, int64_t first, int64_t tokens, float* sums);

void dot_plain(const int8_t* row, const Activations& x, int64_t first, int64_t tokens, float* sums) {
    for (int64_t t = 0; t < tokens; t++) {
        sums[t] = 0;
        for (int64_t g = 0; g < x.groups; g++) {
            const int64_t at = (first + t) * x.groups + g;
            int32_t sum = 0;
            for (int64_t i = 0; i < Group; i++)
                sum += row[g * Group + i] * x.bytes[at * Group + i];
            sums[t] += static_cast<float>(sum) * x.scales[at];
        }
    }
}

#if defined(__x86_64__)
template <int Tokens>
PEFT_AVX2_FMA void dot_of(const int8_t* row, const Activations& x, int64_t first, float* out) {
    __m256 sums[Tokens];
    for (auto& sum : sums)
        sum = _mm256_setzero_ps();
    for (int64_t g = 0; g < x.groups; g++) {
        const __m256i* codes = reinterpret_cast<const __m256i*>(row + g * Group);
        const __m256i w0 = _mm256_loadu_si256(codes), w1 = _mm256_loadu_si256(codes + 1);
        _mm_prefetch(row + (x.groups + g) * Group, _MM_HINT_T0); // the next row
        const __m256i a0 = _mm256_abs_epi8(w0), a1 = _mm256_abs_epi8(w1);
        for (int t = 0; t < Tokens; t++) {
            const int64_t at = (first + t) * x.groups + g;
            const __m256i* values = reinterpret_cast<const __m256i*>(&x.bytes[at * Group]);
            const __m256i dots = _mm256_add_epi32(peft::multiply(w0, a0, _mm256_loadu_si256(values)),
                                                  peft::multiply(w1, a1, _mm256_loadu_si256(values + 1)));
            sums[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), _mm256_broadcast_ss(&x.scales[at]), sums[t]);
        }
    }
    for (int t = 0; t < Tokens; t++)
        out[t] = peft::fold(sums[t]);
}

void dot_avx2(const int8_t* row, const Activations& x, int64_t first, int64_t tokens, float* sums) {
    constexpr decltype(&dot_of<1>) dots[] = {dot_of<1>, dot_of<2>, dot_of<3>, dot_of<4>};
    dots[tokens - 1](row, x, first, sums);
}
constexpr auto round_avx2 = peft::round_avx2<peft::Order::Columns>;
#else
constexpr auto dot_avx2 = dot_plain;
constexpr auto round_avx2 = peft::round_plain<peft::Order::Columns>;
#endif

constexpr Variants<Dot> dots{dot_plain, dot_avx2, dot_avx2};
constexpr Variants<peft::Round> rounds{peft::round_plain<peft::Order::Columns>, round_avx2, round_avx2};

constexpr int64_t TileTokens = 16;
static_assert(TileTokens % Most == 0);

} // namespace

int32_t peft_rowwise_product_int8(int32_t isa, const int8_t* matrix, const float* scales, const float* bias, int64_t rows, int64_t columns,
                                  const float* x, int64_t tokens, float* y) {
    if (columns % Group != 0)
        return PEFT_NOT_TAKEN;
    isa = peft::clamp_isa(isa);
    const Dot dot = dots.get(isa);
    const Activations rounded(x, tokens, columns, rounds.get(isa), 1.0f / 127);
    if (!rounded)
        return PEFT_NO_MEMORY;
    const int64_t chunk = std::max<int64_t>(1, peft::ParallelFrom / std::max<int64_t>(1, columns));
#pragma omp parallel for schedule(dynamic) if (rows > chunk)
    for (int64_t first = 0; first < rows; first += chunk)
        for (int64_t tile = 0; tile < tokens; tile += TileTokens)
            for (int64_t row = first; row < std::min(rows, first + chunk); row++)
                for (int64_t t = tile; t < std::min(tokens, tile + TileTokens); t += Most) {
                    const int64_t count = std::min(Most, std::min(tokens, tile + TileTokens) - t);
                    float sums[Most];
                    dot(matrix + row * columns, rounded, t, count, sums);
                    for (int64_t k = 0; k < count; k++)
                        y[(t + k) * rows + row] = sums[k] * scales[row] + (bias ? bias[row] : 0.0f);
                }
    return PEFT_DONE;
}
