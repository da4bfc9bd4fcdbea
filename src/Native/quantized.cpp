// Products with quantized matrices. Up to four tokens: codes are looked up and multiplied as they come in, against the tokens'
// values in the order in which the look-up hands levels out. A few more: four rows are unpacked into the first-level cache and
// multiplied from there. Many tokens: panels and BLAS.
#include "quantized.h"
#include "scratch.h"

namespace {

using peft::Unpack;

constexpr int64_t Rows = 4, Columns = 1024; // 16 KiB
constexpr int64_t FewTokens = 24;
constexpr int64_t PanelFloats = 4 << 20;

// Of rows unpacked[Rows][Columns] and a few tokens, into y.
using Tile = void (*)(const float* unpacked, int64_t n, const float* x, int64_t x_stride, int64_t tokens, float* y, int64_t y_stride);

void tile_baseline(const float* unpacked, int64_t n, const float* x, int64_t x_stride, int64_t tokens, float* y, int64_t y_stride) {
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t r = 0; r < Rows; r++) {
            const float *a = unpacked + r * Columns, *b = x + t * x_stride;
            float lanes[8] = {};
            int64_t i = 0;
            for (; i + 8 <= n; i += 8)
                for (int lane = 0; lane < 8; lane++)
                    lanes[lane] += a[i + lane] * b[i + lane];
            for (; i < n; i++)
                lanes[i % 8] += a[i] * b[i];
            y[t * y_stride + r] += ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
        }
}

#if defined(__x86_64__)
template <int Tokens>
PEFT_AVX2_FMA void tile_of(const float* unpacked, int64_t n, const float* x, int64_t x_stride, float* y, int64_t y_stride) {
    __m256 sums[Rows][Tokens];
    for (auto& row : sums)
        for (auto& sum : row)
            sum = _mm256_setzero_ps();
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 values[Tokens];
        for (int t = 0; t < Tokens; t++)
            values[t] = _mm256_loadu_ps(x + t * x_stride + i);
        for (int r = 0; r < Rows; r++) {
            const __m256 row = _mm256_loadu_ps(unpacked + r * Columns + i);
            for (int t = 0; t < Tokens; t++)
                sums[r][t] = _mm256_fmadd_ps(row, values[t], sums[r][t]);
        }
    }
    for (int r = 0; r < Rows; r++)
        for (int t = 0; t < Tokens; t++) {
            float sum = peft::fold(sums[r][t]);
            for (int64_t k = i; k < n; k++)
                sum += unpacked[r * Columns + k] * x[t * x_stride + k];
            y[t * y_stride + r] += sum;
        }
}

void tile_avx2(const float* unpacked, int64_t n, const float* x, int64_t x_stride, int64_t tokens, float* y, int64_t y_stride) {
    int64_t t = 0;
    for (; t + 3 <= tokens; t += 3)
        tile_of<3>(unpacked, n, x + t * x_stride, x_stride, y + t * y_stride, y_stride);
    if (tokens - t == 2)
        tile_of<2>(unpacked, n, x + t * x_stride, x_stride, y + t * y_stride, y_stride);
    else if (tokens - t == 1)
        tile_of<1>(unpacked, n, x + t * x_stride, x_stride, y + t * y_stride, y_stride);
}
#else
constexpr auto tile_avx2 = tile_baseline;
#endif

const Variants<Tile> tiles{tile_baseline, tile_avx2, tile_avx2};

// ragged [tokens, Rows] is zeros, for the last rows where they are fewer than a tile has.
void few_rows(const peft_quantized& w, Unpack unpack, Tile tile, const float* x, int64_t tokens, float* ragged, float* y, int64_t row) {
    alignas(64) float unpacked[Rows * Columns];
    const int64_t rows = std::min(Rows, w.rows - row);
    if (rows < Rows)
        std::fill(unpacked, unpacked + Rows * Columns, 0.0f);
    for (int64_t column = 0; column < w.columns; column += Columns) {
        const int64_t n = std::min(Columns, w.columns - column);
        for (int64_t r = 0; r < rows; r++)
            unpack(w, (row + r) * w.columns + column, n, unpacked + r * Columns);
        if (rows == Rows)
            tile(unpacked, n, x + column, w.columns, tokens, y + row, w.rows);
        else
            tile(unpacked, n, x + column, w.columns, tokens, ragged, Rows);
    }
    for (int64_t t = 0; t < tokens && rows < Rows; t++)
        for (int64_t r = 0; r < rows; r++)
            y[t * w.rows + row + r] += ragged[t * Rows + r];
}

int32_t few_tokens(int32_t isa, const peft_quantized& w, const float* x, int64_t tokens, float* y) {
    const Unpack unpack = peft::unpack.get(isa);
    const Tile tile = tiles.get(isa);
    const peft::Scratch<float> ragged(w.rows % Rows ? Rows * tokens : 0);
    if (!ragged)
        return PEFT_NO_MEMORY;
    std::fill_n(ragged.data(), w.rows % Rows ? Rows * tokens : 0, 0.0f);
#pragma omp parallel for schedule(static) if (w.rows * w.columns > 1 << 15)
    for (int64_t row = 0; row < w.rows; row += Rows)
        few_rows(w, unpack, tile, x, tokens, ragged.data(), y, row);
    return PEFT_DONE;
}

#if defined(__x86_64__)
constexpr int64_t Group = 64; // elements of a register of codes

// The values of x in the order in which a register's codes come out: all first halves of bytes, then all second ones.
void arrange(const float* x, int64_t n, float* out) {
    for (int64_t start = 0; start < n; start += Group)
        for (int half = 0; half < 2; half++)
            for (int k = 0; k < 4; k++)
                for (int lane = 0; lane < 8; lane++)
                    *out++ = x[start + 2 * (4 * k + lane % 4 + 16 * (lane / 4)) + half];
}

template <int Tokens>
PEFT_AVX2_FMA void dot_row(const peft_quantized& w, int64_t row, const float* arranged, const float* scales, float* y) {
    const __m256i half = _mm256_set1_epi8(15);
    const peft::Planes planes(w.levels);
    const uint8_t* codes = w.codes + row * w.columns / 2;
    const int shift = __builtin_ctzll(w.block);
    __m256 sums[Tokens];
    for (auto& sum : sums)
        sum = _mm256_setzero_ps();
    for (int64_t i = 0; i < w.columns; i += Group) {
        const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i / 2));
        _mm_prefetch(codes + (w.columns + i) / 2, _MM_HINT_T0); // the next row
        __m256 levels[4], even[Tokens], odd[Tokens];
        peft::look_up(planes, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half), levels);
        for (int t = 0; t < Tokens; t++) {
            const float* x = arranged + t * w.columns + i;
            even[t] = _mm256_mul_ps(levels[0], _mm256_loadu_ps(x));
            for (int k = 1; k < 4; k++)
                even[t] = _mm256_fmadd_ps(levels[k], _mm256_loadu_ps(x + 8 * k), even[t]);
        }
        peft::look_up(planes, _mm256_and_si256(bytes, half), levels);
        for (int t = 0; t < Tokens; t++) {
            const float* x = arranged + t * w.columns + i + Group / 2;
            odd[t] = _mm256_mul_ps(levels[0], _mm256_loadu_ps(x));
            for (int k = 1; k < 4; k++)
                odd[t] = _mm256_fmadd_ps(levels[k], _mm256_loadu_ps(x + 8 * k), odd[t]);
        }
        // The halves of a register are 32 elements each, which may be blocks of their own.
        const __m256 scale = _mm256_set_m128(_mm_broadcast_ss(scales + ((i + 32) >> shift)), _mm_broadcast_ss(scales + (i >> shift)));
        for (int t = 0; t < Tokens; t++)
            sums[t] = _mm256_fmadd_ps(_mm256_add_ps(even[t], odd[t]), scale, sums[t]);
    }
    for (int t = 0; t < Tokens; t++)
        y[t * w.rows + row] += peft::fold(sums[t]);
}

// The scales of blocks first to first + n, which are quantized.
PEFT_AVX2_FMA void scales_of(const peft_quantized& w, int64_t first, int64_t n, float* out) {
    const __m256 offset = _mm256_set1_ps(w.scale_offset);
    while (n > 0) {
        const int64_t outer = first / peft::ScaleBlock, count = std::min(n, (outer + 1) * peft::ScaleBlock - first);
        const __m256 scale = _mm256_set1_ps(w.scales[outer]);
        int64_t i = 0;
        for (; i + 8 <= count; i += 8) {
            const __m256i codes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(w.scale_codes + first + i)));
            const __m256 levels = _mm256_i32gather_ps(w.scale_levels, codes, 4);
            _mm256_storeu_ps(out + i, _mm256_add_ps(_mm256_mul_ps(levels, scale), offset));
        }
        for (; i < count; i++)
            out[i] = peft::scale_of(w, first + i);
        first += count, n -= count, out += count;
    }
}

constexpr int64_t DirectTokens = 4;

bool is_direct(const peft_quantized& w, int64_t tokens) {
    return tokens <= DirectTokens && w.bits == 4 && w.columns % w.block == 0 && w.columns % Group == 0 && w.block % 32 == 0 &&
           (w.block & (w.block - 1)) == 0;
}

int32_t direct(const peft_quantized& w, const float* x, int64_t tokens, float* y) {
    constexpr decltype(&dot_row<1>) rows_of[] = {dot_row<1>, dot_row<2>, dot_row<3>, dot_row<4>};
    const auto dot = rows_of[tokens - 1];
    const int64_t blocks = w.columns / w.block;
    const bool parallel = w.rows * w.columns > 1 << 15;
    const peft::Scratch<float> arranged(tokens * w.columns), scales(w.scale_codes ? blocks : 0, peft::threads_of(parallel));
    if (!arranged || !scales)
        return PEFT_NO_MEMORY;
    arrange(x, tokens * w.columns, arranged.data());
#pragma omp parallel for schedule(static) if (parallel)
    for (int64_t row = 0; row < w.rows; row++) {
        if (w.scale_codes)
            scales_of(w, row * blocks, blocks, scales.mine());
        dot(w, row, arranged.data(), w.scale_codes ? scales.mine() : w.scales + row * blocks, y);
    }
    return PEFT_DONE;
}
#endif

// Calls body(row, rows, panel) for rows of the matrix that are unpacked together, in memory that the thread keeps.
template <typename Body>
int32_t each_panel(int32_t isa, const peft_quantized& w, Body body) {
    static thread_local peft::Scratch<float> panel;
    const int64_t most = std::max<int64_t>(1, PanelFloats / std::max<int64_t>(1, w.columns));
    const int64_t size = std::min(most, w.rows) * w.columns;
    if (panel.size() < size)
        panel = peft::Scratch<float>(size);
    if (!panel)
        return PEFT_NO_MEMORY;
    const Unpack unpack = peft::unpack.get(isa);
    float* const unpacked = panel.data(); // the master's, not each thread's own
    for (int64_t row = 0; row < w.rows; row += most) {
        const int64_t rows = std::min(most, w.rows - row);
#pragma omp parallel for schedule(static)
        for (int64_t r = 0; r < rows; r++)
            unpack(w, (row + r) * w.columns, w.columns, unpacked + r * w.columns);
        body(row, rows, unpacked);
    }
    return PEFT_DONE;
}

// Row-major C [m, n] = beta·C + A [m, k] · B, with B as [k, n], or as [n, k] where it is transposed.
void multiply(peft_sgemm sgemm, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb,
              bool transposed, float beta, float* c, int64_t ldc) {
    const int32_t m32 = static_cast<int32_t>(m), n32 = static_cast<int32_t>(n), k32 = static_cast<int32_t>(k);
    const int32_t a32 = static_cast<int32_t>(lda), b32 = static_cast<int32_t>(ldb), c32 = static_cast<int32_t>(ldc);
    const float one = 1;
    sgemm(transposed ? "T" : "N", "N", &n32, &m32, &k32, &one, b, &b32, a, &a32, &beta, c, &c32);
}

} // namespace

int32_t peft_quantized_product_f32(int32_t isa, const peft_quantized* matrix, const float* x, int64_t tokens, float* y) {
    const peft_quantized& w = *matrix;
    isa = peft::clamp_isa(isa);
#if defined(__x86_64__)
    if (isa >= PEFT_ISA_AVX2 && is_direct(w, tokens))
        return direct(w, x, tokens, y);
#endif
    if (tokens <= FewTokens || !w.sgemm)
        return few_tokens(isa, w, x, tokens, y);
    return each_panel(isa, w, [&](int64_t row, int64_t rows, const float* panel) {
        multiply(w.sgemm, tokens, rows, w.columns, x, w.columns, panel, w.columns, true, 1, y + row, w.rows);
    });
}

int32_t peft_quantized_gradient_f32(int32_t isa, const peft_quantized* matrix, const float* gradient, int64_t tokens, float* dx) {
    const peft_quantized& w = *matrix;
    return each_panel(peft::clamp_isa(isa), w, [&](int64_t row, int64_t rows, const float* panel) {
        multiply(w.sgemm, tokens, w.columns, rows, gradient + row, w.rows, panel, w.columns, false, row == 0 ? 0.0f : 1.0f, dx, w.columns);
    });
}
