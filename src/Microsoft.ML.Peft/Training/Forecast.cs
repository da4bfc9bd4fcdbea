using System.Diagnostics;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>Works out what a run will take, before it begins.</summary>
internal sealed class Forecast
{
    private readonly TunedModel _model;
    private readonly TrainingSettings _options;
    private readonly TrainingPlan _plan;
    private readonly IReadOnlyList<Example> _train;
    private readonly Device _device;
    private readonly ForwardContext _context;
    private readonly bool _validates;

    private Forecast(TunedModel model, IReadOnlyList<Example> train, bool validates, TrainingSettings options, Device device, long seed)
    {
        (_model, _train, _validates, _options, _device) = (model, train, validates, options, device);
        _plan = new TrainingPlan(options, train, seed);
        _context = new ForwardContext { Seeds = new DropoutSeeds(0), Checkpointing = options.GradientCheckpointing };
    }

    /// <param name="model">The model; its tuner says what trains.</param>
    /// <param name="train">The rows.</param>
    /// <param name="validates">Whether there are rows to evaluate on.</param>
    /// <param name="options">How.</param>
    /// <param name="device">Where the model is.</param>
    /// <param name="seed">Decides the batches.</param>
    public static TrainingEstimate Of(
        TunedModel model, IReadOnlyList<Example> train, bool validates, TrainingSettings options, Device device, long seed) =>
        new Forecast(model, train, validates, options, device, seed).Make();

    private TrainingEstimate Make()
    {
        IReadOnlyList<int[][]> steps = _plan.Epoch(0);
        int[][] batches = [.. steps.SelectMany(step => step)];
        BatchShape largest = ShapeOf(batches.MaxBy(TokensOf)!);
        StepCost? cost = _model.Model.Cost(largest, _context);
        var memory = new MemoryForecast(_model, _options, _validates, _device);
        var (activations, peak) = memory.Of(cost, largest, _context, severalPasses: steps.Any(step => step.Length > 1));
        return new TrainingEstimate
        {
            MappedBytes = memory.Mapped,
            WeightBytes = memory.Weights,
            TrainableBytes = memory.Trainable,
            GradientBytes = memory.Gradients,
            OptimizerBytes = memory.Optimizer,
            ActivationBytes = activations,
            PeakMemoryBytes = peak,
            OperationsPerEpoch = Operations(batches, cost, largest),
            OperationsPerSecond = GemmRate.Measure(_model.Model.Sites.Projections, largest.Tokens, _device),
        };
    }

    private long TokensOf(int[] rows) => (long)rows.Length * LongestOf(rows);

    private int LongestOf(int[] rows) => rows.Max(row => _plan.Lengths[row]);

    /// <summary>The sizes of a batch, from the batch itself: the head says which positions it reads.</summary>
    private BatchShape ShapeOf(int[] rows)
    {
        using var scope = NewDisposeScope();
        using Batch batch = Batch.Collate(Array.ConvertAll(rows, row => _train[row]), CPU, withLabels: false);
        long length = batch.Ids.shape[1];
        Tensor read = _model.Head.Rows(batch).Select(zeros(rows.Length, length, 1, ScalarType.Float32, CPU));
        return new BatchShape(rows.Length, length, read.shape[1], batch.Texts is not null, batch.Mask is not null);
    }

    // A projection multiplies in the forward pass, for its input's gradient, for its own where it trains, and once more where
    // blocks are computed again. A frozen base is run once, and forward alone.
    private double Operations(int[][] batches, StepCost? cost, BatchShape largest)
    {
        double tokens = batches.Sum(TokensOf), pairs = batches.Sum(rows => (double)TokensOf(rows) * LongestOf(rows));
        double attention = (cost?.Blocks.Sum(block => block.Attention) ?? 0) / ((double)largest.Tokens * largest.Length) * pairs;
        double share = (double)largest.Read / largest.Length;
        if (!_model.Tuner.TouchesBase)
            return (tokens * Base.Sum(Multiplied)) + attention;
        int again = _options.GradientCheckpointing ? 1 : 0;
        double own = 2.0 * _model.Trainable.Except(_model.Tuner.InPlace).Where(p => p.IsMatrix).Sum(p => p.Value.numel());
        double token = Base.Sum(site => Multiplied(site) * (2 + again + (Trains(site) ? 1 : 0))) + (own * (3 + again));
        double read = _model.Model.Sites.Output is { } output ? Multiplied(output.Projection) * (Trains(output.Projection) ? 4 : 2) : 0;
        return (tokens * (token + (share * read))) + (attention * (3 + again));
    }

    private IEnumerable<Projection> Base =>
        _model.Model.Sites.Projections.Where(site => _model.Model.Weights.Sources.IsOfBase(site.Path));

    private static double Multiplied(Projection site) => 2.0 * site.Weight.Inputs * site.Weight.Outputs;

    private static bool Trains(Projection site) => site.Parameters.Any(p => p.IsMatrix && p.Value.requires_grad);
}

/// <summary>How fast the machine multiplies matrices now.</summary>
internal static class GemmRate
{
    // Large enough for full speed, small enough for a fraction of a second.
    private const long MostInputs = 1024, MostOutputs = 4096, MostTokens = 512;

    /// <summary>Operations a second: the best of three products of the shape of the largest projection.</summary>
    public static double Measure(IReadOnlyList<Projection> projections, long tokens, Device device)
    {
        Projection? largest = projections.MaxBy(site => site.Weight.Inputs * site.Weight.Outputs);
        long inputs = Math.Min(MostInputs, largest?.Weight.Inputs ?? MostInputs), outputs = Math.Min(MostOutputs, largest?.Weight.Outputs ?? MostOutputs);
        tokens = Math.Min(MostTokens, tokens);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Tensor x = ones([tokens, inputs], ScalarType.Float32, device), weight = ones([outputs, inputs], ScalarType.Float32, device);
        double best = Enumerable.Range(0, 4).Min(_ => Seconds(x, weight));
        return 2.0 * tokens * inputs * outputs / best;
    }

    private static double Seconds(Tensor x, Tensor weight)
    {
        long start = Stopwatch.GetTimestamp();
        using Tensor product = nn.functional.linear(x, weight);
        // On a GPU the product is done when a value of it is read.
        using Tensor value = product[0, 0].cpu();
        return Math.Max(Stopwatch.GetElapsedTime(start).TotalSeconds, 1e-9);
    }
}
