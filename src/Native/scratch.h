// Memory that a kernel works in, got before its parallel region: an exception that leaves a region, or the library, ends the process.
#pragma once

#include "peft_native.h"

#include <cstdint>
#include <memory>
#include <new>

#include <omp.h>

namespace peft {

// So many values for each of some threads, not set to anything. Without memory it is false.
template <typename T>
class Scratch {
public:
    explicit Scratch(int64_t count = 0, int64_t threads = 1) : each((count + Line - 1) / Line * Line) {
        if (count >= 0 && each >= count && each <= Most / threads)
            memory.reset(static_cast<T*>(::operator new(static_cast<size_t>(each * threads) * sizeof(T), std::nothrow)));
        room = memory ? each * threads : 0;
    }

    explicit operator bool() const { return memory != nullptr; }
    int64_t size() const { return room; }
    T* data() const { return memory.get(); }
    // The calling thread's part.
    T* mine() const { return data() + each * omp_get_thread_num(); }
    T& operator[](int64_t i) const { return data()[i]; }

private:
    struct Free {
        void operator()(T* memory) const { ::operator delete(memory); }
    };

    static constexpr int64_t Line = 64, Most = INT64_MAX / static_cast<int64_t>(sizeof(T));

    int64_t each, room;
    std::unique_ptr<T, Free> memory;
};

// Threads that the next region may have.
inline int64_t threads_of(bool parallel) { return parallel ? omp_get_max_threads() : 1; }

} // namespace peft
