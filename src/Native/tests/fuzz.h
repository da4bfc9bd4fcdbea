// Random calls of kernels against plain scalar code, for a build with sanitizers. A kernel is a FUZZ block: it draws a shape,
// fills buffers, works the expected values out, and compares what each instruction set gives.
#pragma once

#include "../peft_native.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace fuzz {

// SplitMix64: the same rounds everywhere.
class Random {
public:
    explicit Random(uint64_t seed) : state(seed) {}

    uint64_t next() {
        uint64_t z = state += 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }

    // From low to high, both included.
    int64_t range(int64_t low, int64_t high) { return low + static_cast<int64_t>(next() % static_cast<uint64_t>(high - low + 1)); }

    bool chance(int in) { return range(1, in) == 1; }

    // A count around the widths of registers and chunks, at times a large one.
    int64_t count() { return chance(8) ? range(1 << 14, (1 << 15) + 70) : chance(3) ? range(0, 2100) : range(0, 70); }

    float real(float scale = 1) { return scale * static_cast<float>(static_cast<double>(next() >> 11) / (1ull << 52) - 1); }

    template <typename T, size_t N>
    T pick(const T (&values)[N]) { return values[range(0, N - 1)]; }

private:
    uint64_t state;
};

// Values that begin at no round address and end where the allocation does: what is read or written behind them is an error.
template <typename T>
class Buffer {
public:
    Buffer(Random& random, int64_t size) : count(size), offset(random.range(0, 15)), memory(new T[size + offset]()) {}

    Buffer(Random& random, int64_t size, float scale) : Buffer(random, size) {
        for (T& value : *this)
            value = static_cast<T>(random.real(scale));
    }

    Buffer(Random& random, const Buffer& other) : Buffer(random, other.count) { std::copy(other.begin(), other.end(), begin()); }

    T* data() const { return memory.get() + offset; }
    T* begin() const { return data(); }
    T* end() const { return data() + count; }
    T& operator[](int64_t i) const { return data()[i]; }
    int64_t size() const { return count; }

private:
    int64_t count, offset;
    std::unique_ptr<T[]> memory;
};

using Floats = Buffer<float>;
using Bytes = Buffer<uint8_t>;

// The round that runs, for messages.
struct Round {
    const char* kernel;
    uint64_t seed;
};
extern Round round_now;

[[noreturn]] inline void fail(const char* what, int64_t at, double expected, double found, int32_t isa) {
    std::printf("%s: %s differs at %lld with instruction set %d: expected %.9g, found %.9g (round %llu)\n", round_now.kernel, what,
                static_cast<long long>(at), isa, expected, found, static_cast<unsigned long long>(round_now.seed));
    std::exit(1);
}

// Equal to the bit.
template <typename T>
void same(const char* what, const Buffer<T>& expected, const Buffer<T>& found, int32_t isa) {
    for (int64_t i = 0; i < expected.size(); i++)
        if (std::memcmp(&expected[i], &found[i], sizeof(T)) != 0)
            fail(what, i, expected[i], found[i], isa);
}

// As near as sums of so many terms of such a size are.
inline void near(const char* what, const std::vector<double>& expected, const Floats& found, double size, int32_t isa) {
    for (int64_t i = 0; i < found.size(); i++)
        if (!(std::fabs(expected[i] - found[i]) <= 2e-6 * size + 2e-5 * std::fabs(expected[i])))
            fail(what, i, expected[i], found[i], isa);
}

// Calls with each instruction set of this CPU.
template <typename Body>
void each_isa(Body body) {
    for (int32_t isa = PEFT_ISA_BASELINE; isa <= peft_best_isa(); isa++)
        body(isa);
}

// While it is set, the kernels get no memory.
extern bool no_memory;

// BLAS's sgemm_, plainly, reading and writing no more than it is told.
void sgemm(const char* transa, const char* transb, const int32_t* m, const int32_t* n, const int32_t* k, const float* alpha,
           const float* a, const int32_t* lda, const float* b, const int32_t* ldb, const float* beta, float* c, const int32_t* ldc);

struct Kernel {
    const char* name;
    void (*run)(Random& random);
    Kernel* next;
    static Kernel* first;
    Kernel(const char* name, void (*run)(Random&)) : name(name), run(run), next(first) { first = this; }
};

} // namespace fuzz

#define FUZZ(name)                                              \
    static void fuzz_##name(fuzz::Random& random);              \
    static fuzz::Kernel kernel_##name(#name, fuzz_##name);      \
    static void fuzz_##name(fuzz::Random& random)
