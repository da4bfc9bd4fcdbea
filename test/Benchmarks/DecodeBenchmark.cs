using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>
/// SmolLM2 in float32: tokens a second at batch 1 and 8, as a share of the machine's read bandwidth (a token reads every
/// weight once); the speed at which it reads a prompt of 512 tokens, as a share of the GEMM peak; and llama.cpp's tokens a
/// second over the same weights in half precision and as they lie in the file.
/// </summary>
internal sealed class DecodeBenchmark : IBenchmark
{
    private const int LongPrompt = 512;

    public string Name => "decode-smollm2";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        using HostedModel model = HostedModel.Decoder(Decoding.Folder);
        long weights = model.Model.Weights.All.Sum(p => p.Value.numel());
        double one = Decoding.TokensPerSecond(model.Open(), rows: 1), eight = Decoding.TokensPerSecond(model.Open(), rows: 8);
        double bandwidth = Figure.ReadBandwidth();
        new Figure(Name + "/share", one * weights * sizeof(float) / bandwidth, $"share of {bandwidth / 1e9:f1} GB/s", 0.8, null).Print(gflops);
        new Figure(Name + "/tokens", one, "tokens a second", 15.1, 15.1).Print(gflops);
        new Figure(Name + "/batch-8", eight / one, "times batch 1", 4, null).Print(gflops);
        Prefill(model, gflops);
        string half = Path.GetTempFileName();
        try
        {
            LlamaCpp.Convert(Decoding.File, half, "MOSTLY_F16");
            Decoding.PrintLlamaCpp(Name + "/llama.cpp-f16", half, one, gflops);
        }
        finally
        {
            File.Delete(half);
        }
        Decoding.PrintLlamaCpp(Name + "/llama.cpp-q4_1", Decoding.File, one, gflops);
    }

    private static void Prefill(HostedModel model, double gflops)
    {
        using Tensor prompt = randint(5, 40000, [1, LongPrompt], ScalarType.Int64);
        double seconds = Figure.Median(5, () =>
        {
            using IDecodingSession session = model.Open();
            session.Read(prompt, null).Dispose();
        });
        // The output matrix is read for the last token alone.
        double body = model.Model.Weights.All.Where(p => p.IsMatrix && !p.Name.Contains("embed_tokens")).Sum(p => (double)p.Value.numel());
        double attention = 30.0 * 2 * LongPrompt * model.Model.As<TextModel>().HiddenSize;
        new Figure("prefill-512", 2 * (body + attention) * LongPrompt / seconds / 1e9 / gflops, "share of GEMM peak", 0.8, null).Print(gflops);
    }
}
