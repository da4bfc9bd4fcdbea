using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>SmolLM2 in few bits beside llama.cpp on the file's 4 bits.</summary>
internal sealed class Decode4BitBenchmark : IBenchmark
{
    public string Name => "decode-4bit";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        double tokens = FewBits.Print(Name, Decoding.Folder, gflops);
        Decoding.PrintLlamaCpp(Name + "/llama.cpp-q4_1", Decoding.File, tokens, gflops);
    }
}

/// <summary>The same over random weights in the shape of a model of a billion, which llama.cpp puts into 4 bits for itself.</summary>
internal sealed class Decode4Bit1BBenchmark : IBenchmark
{
    public string Name => "decode-4bit-1b";

    public void Run()
    {
        string folder = Directory.CreateTempSubdirectory("peft-decode").FullName;
        try
        {
            string halves = Path.Combine(folder, "f16.gguf"), packed = Path.Combine(folder, "q4_1.gguf");
            RandomGguf.Llama1B().Write(halves);
            double gflops = GemmPeak.Gflops(), tokens = FewBits.Print(Name, halves, gflops);
            LlamaCpp.Convert(halves, packed, "MOSTLY_Q4_1");
            Decoding.PrintLlamaCpp(Name + "/llama.cpp-q4_1", packed, tokens, gflops);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}

/// <summary>A model decoded in NF4 and in bfloat16, its vocabulary as floats or in fewer bits.</summary>
internal static class FewBits
{
    /// <returns>Tokens a second of the fastest: 4 bits, inputs in 8 bits, the vocabulary too.</returns>
    public static double Print(string name, string model, double gflops)
    {
        Print(name + "/floats", model, new(), gflops);
        Print(name + "/int8-inputs", model, new() { QuantizeActivations = true }, gflops);
        Print(name + "/bfloat16", model, new() { Format = QuantizationFormat.BFloat16, VocabularyFormat = QuantizationFormat.BFloat16 }, gflops);
        return Print(name + "/int8", model, new() { QuantizeActivations = true, VocabularyFormat = QuantizationFormat.Int8Rowwise }, gflops);
    }

    private static double Print(string name, string path, QuantizationOptions options, double gflops)
    {
        using HostedModel model = HostedModel.Decoder(path, options);
        double tokens = Decoding.TokensPerSecond(model.Open(), rows: 1);
        ModelWeights weights = model.Model.Weights;
        double bytes = weights.Quantized.Sum(weight => (double)weight.Matrix.Bytes) + weights.All.Sum(p => (double)p.Value.numel() * sizeof(float));
        new Figure(name, tokens, Decoding.Unit(bytes), null, null).Print(gflops);
        return tokens;
    }
}
