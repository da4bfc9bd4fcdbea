using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>A training step of RoBERTa-base's shape on 8 rows of 128 tokens, as a share of the GEMM peak by the FLOPs that the peer's recipe counts.</summary>
internal sealed class StepBenchmark(string name, StepBenchmark.Method method, double goal, double peer) : IBenchmark
{
    private const int Rows = 8, Length = 128, Layers = 12, Hidden = 768, Inner = 3072, Steps = 7;

    public static readonly Method Lora = new(() => new LoraOptions(), ForwardShare: 2);

    public static readonly Method Full = new(() => new FullOptions(), ForwardShare: 3);

    public string Name => name;

    private const string Config = """
        {"model_type":"roberta","architectures":["RobertaForSequenceClassification"],"hidden_size":768,"num_hidden_layers":12,
         "num_attention_heads":12,"intermediate_size":3072,"vocab_size":50265,"max_position_embeddings":514,"type_vocab_size":1,
         "layer_norm_eps":1e-5,"hidden_dropout_prob":0.1,"attention_probs_dropout_prob":0.1,"hidden_act":"gelu","pad_token_id":1}
        """;

    public void Run()
    {
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Parse(Config, "benchmark"), null, CPU, seed: 1);
        Head head = model.CreateSequenceClassificationHead(2);
        using var tuned = new TunedModel(model, head, method.Options().Create());
        tuned.Tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, head.Parameters), seed: 1);
        using var optimizer = new AdamW(tuned.Trainable, new TrainingOptions());
        using Batch batch = RandomBatch();

        Step(tuned, optimizer, batch);
        // On a shared machine the peak itself moves: each step is held against the one measured just before it.
        var runs = Enumerable.Range(0, Steps).Select(_ => (Gflops: GemmPeak.Gflops(), Seconds: Figure.Median(1, () => Step(tuned, optimizer, batch))))
            .OrderBy(run => run.Gflops * run.Seconds).ToList();
        var (gflops, seconds) = runs[Steps / 2];
        new Figure(name + "/share", Flops() / seconds / 1e9 / gflops, "share of GEMM peak", goal, peer).Print(gflops);
        new Figure(name + "/time", seconds * 1000, "ms", null, null).Print(gflops);
    }

    private static void Step(TunedModel tuned, AdamW optimizer, Batch batch)
    {
        using var scope = NewDisposeScope();
        Tensor loss = nn.functional.cross_entropy(tuned.Forward(batch, new ForwardContext { Seeds = new DropoutSeeds(1) }), batch.Labels!);
        BackwardPass.Run(loss);
        optimizer.Step(1e-4, gradientScale: 1);
        optimizer.ClearGradients();
    }

    private static Batch RandomBatch()
    {
        var random = new Random(1);
        Example[] rows = [.. Enumerable.Range(0, Rows).Select(i => new Example
        {
            Ids = [.. Enumerable.Range(0, Length).Select(_ => random.Next(5, 50000))],
            TypeIds = new byte[Length],
            Labels = [i % 2],
        })];
        return Batch.Collate(rows, padId: 1, CPU, withLabels: true);
    }

    private double Flops()
    {
        double tokens = Rows * Length, attention = Layers * 2.0 * Length * Hidden;
        double forward = 2 * (Layers * (4.0 * Hidden * Hidden + 2.0 * Hidden * Inner) + attention) * tokens;
        return method.ForwardShare == 2 ? 2 * forward + 2 * attention * tokens : method.ForwardShare * forward;
    }

    /// <summary>What trains, and how many forward passes its step counts as.</summary>
    internal sealed record Method(Func<TunerOptions> Options, int ForwardShare);
}
