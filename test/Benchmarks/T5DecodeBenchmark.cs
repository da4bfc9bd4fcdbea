using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>T5-small's shape writing behind a text under LoRA: the share of the read bandwidth, beside SmolLM2's share in the same run.</summary>
internal sealed class T5DecodeBenchmark : IBenchmark
{
    private const int Rounds = 3;
    private const string Adapter = "lora";

    public string Name => "t5-decode";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        EncoderDecoderShape shape = EncoderDecoderShape.T5Small;
        PretrainedModel t5 = ModelRegistry.Create(HfConfig.Parse(shape.Config, "benchmark"), null, CPU, seed: 1);
        using var model = new HostedModel(t5, t5.As<IWritesTexts>().CreateLanguageModelHead());
        model.Attach(Adapter, new LoraOptions());
        using HostedModel smol = HostedModel.Decoder(Decoding.Folder);
        using Batch text = Batch.Collate([shape.Examples()[0]], CPU, withLabels: false);
        // In turns, for the machine's speed drifts.
        var rounds = Enumerable.Range(0, Rounds).Select(_ => (
            T5: Decoding.TokensPerSecond(model.Open(text, Adapter), rows: 1, prompt: 1), Smol: Decoding.TokensPerSecond(smol.Open(), rows: 1))).ToList();
        double bandwidth = Figure.ReadBandwidth(), tokens = rounds.Max(round => round.T5);
        double goal = rounds.Max(round => round.Smol) * smol.Model.Weights.All.Sum(p => p.Value.numel()) * sizeof(float) / bandwidth;
        new Figure(Name + "/share", tokens * shape.BytesWritten / bandwidth, $"share of {bandwidth / 1e9:f1} GB/s; the goal is SmolLM2's", goal, null).Print(gflops);
        new Figure(Name + "/tokens", tokens, Decoding.Unit(shape.BytesWritten), null, null).Print(gflops);
    }
}
