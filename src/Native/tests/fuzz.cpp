// peft_native_fuzz SECONDS [SEED [KERNEL]]: rounds of all kernels in turn. A round that fails is told by its seed; given that seed
// and the kernel, it comes first.
#include "fuzz.h"

#include <chrono>
#include <map>
#include <new>
#include <string>

fuzz::Kernel* fuzz::Kernel::first = nullptr;
fuzz::Round fuzz::round_now{};
bool fuzz::no_memory = false;

// The kernels ask for memory without exceptions; nothing else here does.
void* operator new(size_t size, const std::nothrow_t&) noexcept { return fuzz::no_memory ? nullptr : std::malloc(size); }
void* operator new(size_t size) {
    if (void* memory = std::malloc(size))
        return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

void fuzz::sgemm(const char* transa, const char* transb, const int32_t* m, const int32_t* n, const int32_t* k, const float* alpha,
                 const float* a, const int32_t* lda, const float* b, const int32_t* ldb, const float* beta, float* c, const int32_t* ldc) {
    for (int64_t col = 0; col < *n; col++)
        for (int64_t row = 0; row < *m; row++) {
            double sum = 0;
            for (int64_t i = 0; i < *k; i++)
                sum += static_cast<double>(a[*transa == 'N' ? i * *lda + row : row * *lda + i]) * b[*transb == 'N' ? col * *ldb + i : i * *ldb + col];
            float& out = c[col * *ldc + row];
            out = static_cast<float>(*alpha * sum + (*beta == 0 ? 0.0 : static_cast<double>(*beta) * out));
        }
}

// A kernel that touched an MMX register leaves no room on the x87 stack, on which long doubles are computed.
static void check_long_double() {
    volatile long double three = 3, third = 1 / three;
    if (third * 3 < 0.9L || !(third == third))
        fuzz::fail("a long double after the call", 0, 1.0 / 3, static_cast<double>(third), PEFT_ISA_BEST);
}

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 10;
    uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
    const std::string only = argc > 3 ? argv[3] : "";
    std::map<std::string, int64_t> rounds;
    const auto start = std::chrono::steady_clock::now();
    do {
        for (const fuzz::Kernel* kernel = fuzz::Kernel::first; kernel; kernel = kernel->next) {
            if (!only.empty() && only != kernel->name)
                continue;
            fuzz::round_now = {kernel->name, seed};
            fuzz::Random random(seed);
            kernel->run(random);
            check_long_double();
            rounds[kernel->name]++;
        }
        seed++;
    } while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds);
    for (const auto& [name, count] : rounds)
        std::printf("%s %lld\n", name.c_str(), static_cast<long long>(count));
    return rounds.empty() ? 2 : 0;
}
