// Products of 4-bit matrices with activations rounded to 8 bits: as integers within a group of 64 columns, as floats between
// groups. The sixteen levels become bytes: signed ones, whose signs AVX2 moves over to the activations since it multiplies unsigned
// bytes by signed ones; VNNI, which does not overflow, takes them moved up. What rounding costs is written down in
// docs/quantization.md.
#include "activations_int8.h"
#include "levels_int8.h"
#include "quantized.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" // GCC 12 warns of its own intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace {

using peft::Activations;
using peft::Bytes;
using peft::Group;

// The scale of each of a row's groups, in the matrix itself or written to memory.
const float* row_scales(const peft_quantized& w, int64_t row, float* memory) {
    const int64_t blocks = w.columns / w.block, groups = w.block / Group;
    if (!w.scale_codes && groups == 1)
        return w.scales + row * blocks;
    for (int64_t b = 0; b < blocks; b++)
        std::fill_n(memory + b * groups, groups, peft::scale_of(w, row * blocks + b));
    return memory;
}

// A strip of rows: their bytes in the order in which the kernel reads them, and their scales.
constexpr int64_t Strip = 32;

struct Panel {
    uint8_t* bytes; // [group][16 quads][Strip][4]
    float* scales;  // [group][Strip]
};

// A group of each of the strip's rows: their codes, which lie stride bytes apart, as out[16 quads][Strip][4].
using Unpack = void (*)(const uint8_t* codes, int64_t stride, int64_t rows, const Bytes&, uint8_t* out);
using Tile = void (*)(const Panel&, const Activations&, const Bytes&, int64_t token, int64_t tokens, float* sums);
using Row = void (*)(const uint8_t* codes, const float* scales, const Bytes&, const Activations&, float* y, int64_t stride);

using FourRows = void (*)(const uint8_t* codes, const float* const* scales, const Bytes&, const Activations&, float* y);

void bytes_plain(const uint8_t* codes, const Bytes& levels, uint8_t* out) {
    for (int i = 0; i < 32; i++) {
        out[i] = levels.table[codes[i] >> 4];
        out[32 + i] = levels.table[codes[i] & 15];
    }
}

void unpack_plain(const uint8_t* codes, int64_t stride, int64_t rows, const Bytes& levels, uint8_t* out) {
    for (int64_t r = 0; r < rows; r++) {
        uint8_t bytes[Group];
        bytes_plain(codes + r * stride, levels, bytes);
        for (int64_t quad = 0; quad < Group / 4; quad++)
            __builtin_memcpy(out + (quad * Strip + r) * 4, bytes + 4 * quad, 4);
    }
}

// Group by group, so that what is written stays in the first cache until it is whole.
void fill(const peft_quantized& w, int64_t row, const Bytes& levels, Unpack unpack, float* memory, const Panel& panel) {
    const int64_t groups = w.columns / Group, rows = std::min(Strip, w.rows - row), stride = w.columns / 2;
    std::fill_n(panel.scales, groups * Strip, 0.0f); // a row that is not there counts nothing, whatever its bytes
    for (int64_t g = 0; g < groups; g++)
        unpack(w.codes + row * stride + g * Group / 2, stride, rows, levels, &panel.bytes[g * Group * Strip]);
    for (int64_t r = 0; r < rows; r++) {
        const float* scales = row_scales(w, row + r, memory);
        for (int64_t g = 0; g < groups; g++)
            panel.scales[g * Strip + r] = scales[g];
    }
}

void tile_plain(const Panel& panel, const Activations& x, const Bytes&, int64_t token, int64_t tokens, float* sums) {
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t g = 0; g < x.groups; g++) {
            const int64_t at = (token + t) * x.groups + g;
            for (int64_t r = 0; r < Strip; r++) {
                int32_t sum = 0;
                for (int64_t i = 0; i < Group; i++)
                    sum += static_cast<int8_t>(panel.bytes[((g * (Group / 4) + i / 4) * Strip + r) * 4 + i % 4]) * x.bytes[at * Group + i];
                sums[t * Strip + r] += static_cast<float>(sum) * (panel.scales[g * Strip + r] * x.scales[at]);
            }
        }
}

void row_plain(const uint8_t* codes, const float* scales, const Bytes& levels, const Activations& x, float* y, int64_t stride) {
    for (int64_t g = 0; g < x.groups; g++) {
        uint8_t bytes[Group];
        bytes_plain(codes + g * Group / 2, levels, bytes);
        for (int64_t t = 0; t < x.tokens; t++) {
            const int64_t at = t * x.groups + g;
            int32_t sum = 0;
            for (int64_t i = 0; i < Group; i++)
                sum += static_cast<int8_t>(bytes[i]) * x.bytes[at * Group + i];
            y[t * stride] += static_cast<float>(sum) * (scales[g] * x.scales[at]);
        }
    }
}

#if defined(__x86_64__)
#define PEFT_VNNI __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,fma")))

// Eight rows of eight quads as eight quads of eight rows.
PEFT_AVX2_FMA inline void turn(const __m256i in[8], uint8_t* out) {
    __m256i a[8], b[8];
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_epi32(in[i], in[i + 1]);
        a[i + 1] = _mm256_unpackhi_epi32(in[i], in[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int k = 0; k < 2; k++) {
            b[i + 2 * k] = _mm256_unpacklo_epi64(a[i + k], a[i + 2 + k]);
            b[i + 2 * k + 1] = _mm256_unpackhi_epi64(a[i + k], a[i + 2 + k]);
        }
    for (int k = 0; k < 4; k++) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + k * Strip * 4), _mm256_permute2x128_si256(b[k], b[k + 4], 0x20));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + (k + 4) * Strip * 4), _mm256_permute2x128_si256(b[k], b[k + 4], 0x31));
    }
}

PEFT_AVX2_FMA void unpack_avx2(const uint8_t* codes, int64_t stride, int64_t rows, const Bytes& levels, uint8_t* out) {
    const __m256i table = _mm256_load_si256(reinterpret_cast<const __m256i*>(levels.table)), half = _mm256_set1_epi8(15);
    for (int64_t first = 0; first < Strip; first += 8) {
        __m256i even[8], odd[8];
        for (int64_t r = 0; r < 8; r++) {
            const int64_t row = std::min(first + r, rows - 1);
            const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + row * stride));
            even[r] = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half));
            odd[r] = _mm256_shuffle_epi8(table, _mm256_and_si256(bytes, half));
        }
        turn(even, out + first * 4);
        turn(odd, out + (8 * Strip + first) * 4);
    }
}

// Sixteen rows at a time and up to four tokens.
template <int Tokens>
PEFT_AVX2_FMA void block_avx2(const Panel& panel, const Activations& x, int64_t token, int64_t first, float* sums) {
    for (int64_t g = 0; g < x.groups; g++) {
        __m256i dots[Tokens][2];
        for (int t = 0; t < Tokens; t++)
            dots[t][0] = dots[t][1] = _mm256_setzero_si256();
        const uint8_t* w = &panel.bytes[(g * (Group / 4) * Strip + first) * 4];
        const int8_t* v = &x.bytes[(token * x.groups + g) * Group];
        for (int64_t quad = 0; quad < Group / 4; quad++) {
            const __m256i w0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + quad * Strip * 4));
            const __m256i w1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + quad * Strip * 4 + 32));
            const __m256i m0 = _mm256_abs_epi8(w0), m1 = _mm256_abs_epi8(w1);
            for (int t = 0; t < Tokens; t++) {
                int32_t four;
                __builtin_memcpy(&four, v + t * x.groups * Group + 4 * quad, 4);
                const __m256i values = _mm256_set1_epi32(four);
                dots[t][0] = _mm256_add_epi32(dots[t][0], peft::multiply(w0, m0, values));
                dots[t][1] = _mm256_add_epi32(dots[t][1], peft::multiply(w1, m1, values));
            }
        }
        const float* scales = &panel.scales[g * Strip + first];
        for (int t = 0; t < Tokens; t++) {
            const __m256 scale = _mm256_set1_ps(x.scales[(token + t) * x.groups + g]);
            for (int half = 0; half < 2; half++) {
                float* sum = sums + t * Strip + first + 8 * half;
                const __m256 both = _mm256_mul_ps(scale, _mm256_loadu_ps(scales + 8 * half));
                _mm256_storeu_ps(sum, _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[t][half]), both, _mm256_loadu_ps(sum)));
            }
        }
    }
}

void tile_avx2(const Panel& panel, const Activations& x, const Bytes&, int64_t token, int64_t tokens, float* sums) {
    constexpr decltype(&block_avx2<1>) blocks[] = {block_avx2<1>, block_avx2<2>, block_avx2<3>, block_avx2<4>};
    for (int64_t t = 0; t < tokens; t += 4)
        for (int64_t first = 0; first < Strip; first += 16)
            blocks[std::min<int64_t>(4, tokens - t) - 1](panel, x, token + t, first, sums + t * Strip);
}

template <int Tokens>
PEFT_AVX2_FMA void tokens_avx2(const uint8_t* codes, const float* scales, const Bytes& levels, const Activations& x, int64_t first, float* y, int64_t stride) {
    const __m256i table = _mm256_load_si256(reinterpret_cast<const __m256i*>(levels.table)), half = _mm256_set1_epi8(15);
    __m256 sums[Tokens];
    for (auto& sum : sums)
        sum = _mm256_setzero_ps();
    for (int64_t g = 0; g < x.groups; g++) {
        const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + g * Group / 2));
        const __m256i even = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half));
        const __m256i odd = _mm256_shuffle_epi8(table, _mm256_and_si256(bytes, half));
        const __m256i even_size = _mm256_abs_epi8(even), odd_size = _mm256_abs_epi8(odd);
        for (int t = 0; t < Tokens; t++) {
            const int64_t at = (first + t) * x.groups + g;
            const __m256i* values = reinterpret_cast<const __m256i*>(&x.bytes[at * Group]);
            const __m256i dots = _mm256_add_epi32(peft::multiply(even, even_size, _mm256_loadu_si256(values)),
                                                  peft::multiply(odd, odd_size, _mm256_loadu_si256(values + 1)));
            sums[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), _mm256_set1_ps(scales[g] * x.scales[at]), sums[t]);
        }
    }
    for (int t = 0; t < Tokens; t++)
        y[(first + t) * stride] += peft::fold(sums[t]);
}

// Four rows and one token: what comes before and after a row counts where rows are short.
PEFT_AVX2_FMA void four_rows_avx2(const uint8_t* codes, const float* const* scales, const Bytes& levels, const Activations& x, float* y) {
    const __m256i table = _mm256_load_si256(reinterpret_cast<const __m256i*>(levels.table)), half = _mm256_set1_epi8(15);
    const int64_t stride = x.groups * Group / 2;
    __m256 sums[4];
    for (auto& sum : sums)
        sum = _mm256_setzero_ps();
    for (int64_t g = 0; g < x.groups; g++) {
        const __m256i* values = reinterpret_cast<const __m256i*>(&x.bytes[g * Group]);
        const __m256i v0 = _mm256_loadu_si256(values), v1 = _mm256_loadu_si256(values + 1);
        for (int r = 0; r < 4; r++) {
            const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + r * stride + g * Group / 2));
            // The next four rows: the processor's own reading ahead comes too late here.
            _mm_prefetch(codes + (r + 4) * stride + g * Group / 2, _MM_HINT_T0);
            const __m256i even = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half));
            const __m256i odd = _mm256_shuffle_epi8(table, _mm256_and_si256(bytes, half));
            const __m256i dots = _mm256_add_epi32(peft::multiply(even, _mm256_abs_epi8(even), v0), peft::multiply(odd, _mm256_abs_epi8(odd), v1));
            sums[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), _mm256_set1_ps(scales[r][g] * x.scales[g]), sums[r]);
        }
    }
    const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(sums[0], sums[1]), _mm256_hadd_ps(sums[2], sums[3]));
    const __m128 rows = _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
    _mm_storeu_ps(y, _mm_add_ps(_mm_loadu_ps(y), rows));
}

void row_avx2(const uint8_t* codes, const float* scales, const Bytes& levels, const Activations& x, float* y, int64_t stride) {
    int64_t t = 0;
    for (; t + 4 <= x.tokens; t += 4)
        tokens_avx2<4>(codes, scales, levels, x, t, y, stride);
    for (; t < x.tokens; t++)
        tokens_avx2<1>(codes, scales, levels, x, t, y, stride);
}

// Thirty-two rows and up to eight tokens: sixteen sums in registers.
template <int Tokens>
PEFT_VNNI void block_vnni(const Panel& panel, const Activations& x, const Bytes& levels, int64_t token, float* sums) {
    for (int64_t g = 0; g < x.groups; g++) {
        __m512i dots[Tokens][2];
        for (int t = 0; t < Tokens; t++)
            dots[t][0] = dots[t][1] = _mm512_set1_epi32(-levels.zero * x.sums[(token + t) * x.groups + g]);
        const uint8_t* w = &panel.bytes[g * Group * Strip];
        const int8_t* v = &x.bytes[(token * x.groups + g) * Group];
        for (int64_t quad = 0; quad < Group / 4; quad++) {
            const __m512i w0 = _mm512_loadu_si512(w + quad * Strip * 4), w1 = _mm512_loadu_si512(w + quad * Strip * 4 + 64);
            for (int t = 0; t < Tokens; t++) {
                int32_t four;
                __builtin_memcpy(&four, v + t * x.groups * Group + 4 * quad, 4);
                const __m512i values = _mm512_set1_epi32(four);
                dots[t][0] = _mm512_dpbusd_epi32(dots[t][0], w0, values);
                dots[t][1] = _mm512_dpbusd_epi32(dots[t][1], w1, values);
            }
        }
        const __m512 low = _mm512_loadu_ps(&panel.scales[g * Strip]), high = _mm512_loadu_ps(&panel.scales[g * Strip + 16]);
        for (int t = 0; t < Tokens; t++) {
            const __m512 scale = _mm512_set1_ps(x.scales[(token + t) * x.groups + g]);
            float* sum = sums + t * Strip;
            _mm512_storeu_ps(sum, _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][0]), _mm512_mul_ps(scale, low), _mm512_loadu_ps(sum)));
            _mm512_storeu_ps(sum + 16, _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][1]), _mm512_mul_ps(scale, high), _mm512_loadu_ps(sum + 16)));
        }
    }
}

void tile_vnni(const Panel& panel, const Activations& x, const Bytes& levels, int64_t token, int64_t tokens, float* sums) {
    constexpr decltype(&block_vnni<1>) blocks[] = {block_vnni<1>, block_vnni<2>, block_vnni<3>, block_vnni<4>,
                                                   block_vnni<5>, block_vnni<6>, block_vnni<7>, block_vnni<8>};
    for (int64_t t = 0; t < tokens; t += 8)
        blocks[std::min<int64_t>(8, tokens - t) - 1](panel, x, levels, token + t, sums + t * Strip);
}

template <int Tokens>
PEFT_VNNI void tokens_vnni(const uint8_t* codes, const float* scales, const Bytes& levels, const Activations& x, int64_t first, float* y, int64_t stride) {
    const __m512i table = _mm512_load_si512(levels.table);
    const __m256i half = _mm256_set1_epi8(15);
    __m512 sums[Tokens];
    float zeros[Tokens] = {};
    for (auto& sum : sums)
        sum = _mm512_setzero_ps();
    for (int64_t g = 0; g < x.groups; g++) {
        const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + g * Group / 2));
        const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_and_si256(_mm256_srli_epi16(bytes, 4), half)), _mm256_and_si256(bytes, half), 1);
        const __m512i w = _mm512_shuffle_epi8(table, both);
        for (int t = 0; t < Tokens; t++) {
            const int64_t at = (first + t) * x.groups + g;
            const __m512i dots = _mm512_dpbusd_epi32(_mm512_setzero_si512(), w, _mm512_loadu_si512(&x.bytes[at * Group]));
            const float scale = scales[g] * x.scales[at];
            sums[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), _mm512_set1_ps(scale), sums[t]);
            zeros[t] += scale * static_cast<float>(levels.zero * x.sums[at]);
        }
    }
    for (int t = 0; t < Tokens; t++)
        y[(first + t) * stride] += _mm512_reduce_add_ps(sums[t]) - zeros[t];
}

void row_vnni(const uint8_t* codes, const float* scales, const Bytes& levels, const Activations& x, float* y, int64_t stride) {
    int64_t t = 0;
    for (; t + 4 <= x.tokens; t += 4)
        tokens_vnni<4>(codes, scales, levels, x, t, y, stride);
    for (; t < x.tokens; t++)
        tokens_vnni<1>(codes, scales, levels, x, t, y, stride);
}
#endif

struct Kernels {
    int32_t zero; // the byte of a level of 0
    peft::Round round;
    Unpack unpack;
    Tile tile;
    Row row;
    FourRows four_rows; // null where a row at a time is as well
};

Kernels kernels(int32_t isa) {
#if defined(__x86_64__)
    if (isa >= PEFT_ISA_VNNI)
        return {128, peft::round_avx2<peft::Order::Parted>, unpack_avx2, tile_vnni, row_vnni, nullptr};
    if (isa >= PEFT_ISA_AVX2)
        return {0, peft::round_avx2<peft::Order::Parted>, unpack_avx2, tile_avx2, row_avx2, four_rows_avx2};
#endif
    (void)isa;
    return {0, peft::round_plain<peft::Order::Parted>, unpack_plain, tile_plain, row_plain, nullptr};
}

constexpr int64_t FewTokens = 8, TileTokens = 64;

// Rows that a thread takes at a time: enough for memory to be read ahead, few enough for both to be done together.
constexpr int64_t RowsAtATime = 96;

void rows_of(const peft_quantized& w, int64_t first, int64_t last, const Kernels& kernel, const Bytes& levels, const Activations& x, float* memory, float* y) {
    int64_t row = first;
    for (; kernel.four_rows && x.tokens == 1 && row + 4 <= last; row += 4) {
        const float* scales[4];
        for (int64_t r = 0; r < 4; r++)
            scales[r] = row_scales(w, row + r, memory + r * x.groups);
        kernel.four_rows(w.codes + row * w.columns / 2, scales, levels, x, y + row);
    }
    for (; row < last; row++)
        kernel.row(w.codes + row * w.columns / 2, row_scales(w, row, memory), levels, x, y + row, w.rows);
}

int32_t few(const peft_quantized& w, const Kernels& kernel, const Bytes& levels, const Activations& x, float* y) {
    const bool parallel = w.rows * w.columns > peft::ParallelFrom;
    const peft::Scratch<float> memory(4 * x.groups, peft::threads_of(parallel));
    if (!memory)
        return PEFT_NO_MEMORY;
#pragma omp parallel for schedule(dynamic) if (parallel)
    for (int64_t row = 0; row < w.rows; row += RowsAtATime)
        rows_of(w, row, std::min(w.rows, row + RowsAtATime), kernel, levels, x, memory.mine(), y);
    return PEFT_DONE;
}

int32_t many(const peft_quantized& w, const Kernels& kernel, const Bytes& levels, const Activations& x, float* y) {
    const int64_t threads = peft::threads_of(true);
    const peft::Scratch<uint8_t> bytes(x.groups * Group * Strip, threads);
    const peft::Scratch<float> scales(x.groups * Strip, threads), memory(x.groups, threads), sums(TileTokens * Strip, threads);
    if (!bytes || !scales || !memory || !sums)
        return PEFT_NO_MEMORY;
#pragma omp parallel for schedule(dynamic)
    for (int64_t row = 0; row < w.rows; row += Strip) {
        const Panel panel{bytes.mine(), scales.mine()};
        float* const sum = sums.mine();
        fill(w, row, levels, kernel.unpack, memory.mine(), panel);
        const int64_t rows = std::min(Strip, w.rows - row);
        for (int64_t token = 0; token < x.tokens; token += TileTokens) {
            const int64_t tokens = std::min(TileTokens, x.tokens - token);
            std::fill_n(sum, TileTokens * Strip, 0.0f);
            kernel.tile(panel, x, levels, token, tokens, sum);
            for (int64_t t = 0; t < tokens; t++)
                for (int64_t r = 0; r < rows; r++)
                    y[(token + t) * w.rows + row + r] += sum[t * Strip + r];
        }
    }
    return PEFT_DONE;
}

} // namespace

int32_t peft_quantized_product_int8(int32_t isa, const peft_quantized* matrix, const float* x, int64_t tokens, float* y) {
    const peft_quantized& w = *matrix;
    if (w.bits != 4 || w.columns % Group != 0 || w.block % Group != 0 || w.columns % w.block != 0)
        return PEFT_NOT_TAKEN;
    const Kernels kernel = kernels(peft::clamp_isa(isa));
    const Bytes& levels = peft::bytes_of(w.levels, kernel.zero);
    const Activations rounded(x, tokens, w.columns, kernel.round, 1 / levels.steps);
    return !rounded ? PEFT_NO_MEMORY : (tokens <= FewTokens ? few : many)(w, kernel, levels, rounded, y);
}
