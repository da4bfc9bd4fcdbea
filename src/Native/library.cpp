#include "dispatch.h"

#include <omp.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

static int32_t detect_isa() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return PEFT_ISA_BASELINE;
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    if (!avx512)
        return PEFT_ISA_AVX2;
    return __builtin_cpu_supports("avx512vnni") ? PEFT_ISA_VNNI : PEFT_ISA_AVX512;
#else
    return PEFT_ISA_BASELINE;
#endif
}

int32_t peft_abi_version(void) { return PEFT_ABI_VERSION; }

int32_t peft_best_isa(void) {
    static const int32_t best = detect_isa();
    return best;
}

int32_t peft_max_threads(void) { return omp_get_max_threads(); }

int32_t peft_set_mmap_threshold(int64_t bytes) {
#if defined(__GLIBC__)
    return bytes >= 0 && bytes <= INT32_MAX && mallopt(M_MMAP_THRESHOLD, static_cast<int>(bytes));
#else
    (void)bytes;
    return 0;
#endif
}
