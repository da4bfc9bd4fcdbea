// The square of a gradient's norm. The array is cut into blocks of one fixed size, each block is added up in
// lanes, and the blocks' sums are added in order: neither threads nor the instruction set change the result.
#include "dispatch.h"

#include <algorithm>

namespace {

constexpr int64_t Block = 1 << 14;
constexpr int64_t Batch = 1024; // blocks whose sums wait on the stack
constexpr int Lanes = 16;       // enough to hide an addition's latency

PEFT_INLINE double sum_block(const float* x, int64_t n) {
    double lanes[Lanes] = {};
    int64_t i = 0;
    for (; i + Lanes <= n; i += Lanes)
        for (int lane = 0; lane < Lanes; lane++)
            lanes[lane] += static_cast<double>(x[i + lane]) * x[i + lane];
    for (; i < n; i++)
        lanes[i % Lanes] += static_cast<double>(x[i]) * x[i];
    for (int half = Lanes / 2; half > 0; half /= 2)
        for (int lane = 0; lane < half; lane++)
            lanes[lane] += lanes[lane + half];
    return lanes[0];
}

using Kernel = double (*)(const float*, int64_t);

double baseline(const float* x, int64_t n) { return sum_block(x, n); }
PEFT_AVX2 double avx2(const float* x, int64_t n) { return sum_block(x, n); }
PEFT_AVX512 double avx512(const float* x, int64_t n) { return sum_block(x, n); }

constexpr Variants<Kernel> kernels{baseline, avx2, avx512};

double sum_batch(Kernel kernel, const float* x, int64_t n) {
    double sums[Batch];
    const int64_t blocks = (n + Block - 1) / Block;
#pragma omp parallel for schedule(static) if (blocks > 2)
    for (int64_t i = 0; i < blocks; i++)
        sums[i] = kernel(x + i * Block, std::min(Block, n - i * Block));
    double total = 0;
    for (int64_t i = 0; i < blocks; i++)
        total += sums[i];
    return total;
}

} // namespace

double peft_sum_of_squares_f32_isa(int32_t isa, const float* x, int64_t n) {
    const Kernel kernel = kernels.get(std::min(isa, peft_best_isa()));
    double total = 0;
    for (int64_t begin = 0; begin < n; begin += Batch * Block)
        total += sum_batch(kernel, x + begin, std::min(Batch * Block, n - begin));
    return total;
}

double peft_sum_of_squares_f32(const float* x, int64_t n) { return peft_sum_of_squares_f32_isa(peft_best_isa(), x, n); }
