using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>
/// SmolLM2 in NF4, with inputs in floats and rounded to 8 bits, and in bfloat16 (its table of tokens stays in single precision),
/// beside llama.cpp on the file's 4 bits.
/// </summary>
internal sealed class Decode4BitBenchmark : IBenchmark
{
    public string Name => "decode-4bit";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        Print("/floats", new(), gflops);
        Print("/bfloat16", new() { Format = QuantizationFormat.BFloat16 }, gflops);
        double tokens = Print("/int8", new() { QuantizeActivations = true }, gflops);
        Decoding.PrintLlamaCpp(Name + "/llama.cpp-q4_1", Decoding.File, tokens, gflops);
    }

    private double Print(string part, QuantizationOptions options, double gflops)
    {
        using DecoderModel model = Decoding.Load(options);
        double tokens = Decoding.TokensPerSecond(model, model.CreateLanguageModelHead(), 1);
        double bytes = model.Weights.Quantized.Sum(weight => (double)weight.Matrix.Bytes) + model.Weights.All.Sum(p => (double)p.Value.numel() * sizeof(float));
        new Figure(Name + part, tokens, Decoding.Unit(bytes), null, null).Print(gflops);
        return tokens;
    }
}
