using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>SmolLM2 in NF4 (its table of tokens stays in single precision) beside llama.cpp on the file's 4 bits.</summary>
internal sealed class Decode4BitBenchmark : IBenchmark
{
    public string Name => "decode-4bit";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        using DecoderModel model = Decoding.Load(new QuantizationOptions());
        double tokens = Decoding.TokensPerSecond(model, model.CreateLanguageModelHead(), 1);
        double bytes = model.Weights.Quantized.Sum(weight => (double)weight.Matrix.Bytes) + model.Weights.All.Sum(p => (double)p.Value.numel() * sizeof(float));
        new Figure(Name, tokens, Decoding.Unit(bytes), null, null).Print(gflops);
        Decoding.PrintLlamaCpp(Name + "/llama.cpp-q4_1", Decoding.File, tokens, gflops);
    }
}
