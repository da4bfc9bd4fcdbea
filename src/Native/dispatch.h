// A kernel is written once, as an inlined function; each variant inlines it under another instruction set and lets the
// compiler vectorize it. Floating-point contraction is off, so variants differ in speed only.
#pragma once

#include "peft_native.h"

#include <algorithm>

#define PEFT_INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__)
#define PEFT_AVX2 __attribute__((target("avx2")))
#if defined(__clang__)
#define PEFT_AVX512 __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq")))
#else
#define PEFT_AVX512 __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,prefer-vector-width=512")))
#endif
#else
#define PEFT_AVX2
#define PEFT_AVX512
#endif

template <typename Kernel>
struct Variants {
    Kernel baseline, avx2, avx512;

    Kernel get(int32_t isa) const { return isa >= PEFT_ISA_AVX512 ? avx512 : isa == PEFT_ISA_AVX2 ? avx2 : baseline; }
};

namespace peft {

// The instruction set that was asked for, as far as this CPU goes.
inline int32_t clamp_isa(int32_t isa) { return std::min(isa, peft_best_isa()); }

constexpr int64_t ParallelFrom = 1 << 14; // floats: with fewer, one thread is done before a second has begun

} // namespace peft
