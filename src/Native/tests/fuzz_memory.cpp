// Kernels that need memory of their own and get none: they say so and touch nothing.
#include "fuzz.h"

#include <thread>

using fuzz::Bytes;
using fuzz::Floats;

namespace {

// In a thread that has called nothing before, since a panel is kept from call to call.
template <typename Call>
void refuses(const char* kernel, const Floats& out, Call call) {
    const float before = 1234;
    for (float& value : out)
        value = before;
    int32_t result = PEFT_DONE;
    std::thread([&] {
        fuzz::no_memory = true;
        result = call();
        fuzz::no_memory = false;
    }).join();
    if (result != PEFT_NO_MEMORY)
        fuzz::fail(kernel, 0, PEFT_NO_MEMORY, result, PEFT_ISA_BEST);
    for (int64_t i = 0; i < out.size(); i++)
        if (out[i] != before)
            fuzz::fail(kernel, i, before, out[i], PEFT_ISA_BEST);
}

} // namespace

FUZZ(no_memory) {
    const int64_t heads = 2, keys = random.range(1, 9), size = random.range(1, 9), tokens = random.range(1, 3), columns = 128, rows = 6;
    const Floats q(random, heads * size, 1.0f), k(random, heads * keys * size, 1.0f), out(random, 64 * columns);
    const peft_query query{1, heads, heads, keys, size, heads * keys * size, keys * size, 0, 0, q.data(), k.data(), k.data(), nullptr, 1};
    const peft_attention attention{1, heads, 1, keys, size, q.data(), k.data(), k.data(), nullptr, 0, 0, 0, 1, 0, 1, fuzz::sgemm};
    const Floats levels(random, 256, 1.0f), scales(random, rows * columns / 64, 1.0f), x(random, 30 * columns, 1.0f);
    const Bytes codes(random, rows * columns);
    const peft_quantized matrix{rows, columns, 64, 4, 0, codes.data(), levels.data(), scales.data(), nullptr, nullptr, fuzz::sgemm};
    fuzz::each_isa([&](int32_t isa) {
        refuses("query", out, [&] { return peft_query_attention_f32(isa, &query, out.data()); });
        // A few tokens take one way, many another.
        refuses("few", out, [&] { return peft_quantized_product_f32(isa, &matrix, x.data(), isa >= PEFT_ISA_AVX2 ? tokens : 30, out.data()); });
        refuses("many", out, [&] { return peft_quantized_product_f32(isa, &matrix, x.data(), 30, out.data()); });
        refuses("gradient", out, [&] { return peft_quantized_gradient_f32(isa, &matrix, x.data(), tokens, out.data()); });
        refuses("int8", out, [&] { return peft_quantized_product_int8(isa, &matrix, x.data(), tokens, out.data()); });
        refuses("rows", out, [&] {
            return peft_rowwise_product_int8(isa, reinterpret_cast<const int8_t*>(codes.data()), scales.data(), nullptr, rows, columns, x.data(), tokens, out.data());
        });
    });
    refuses("attention", out, [&] { return peft_attention_forward_f32(&attention, out.data(), out.data()); });
    refuses("attention's gradient", out, [&] {
        return peft_attention_backward_f32(&attention, q.data(), q.data(), out.data(), out.data(), out.data());
    });
}
