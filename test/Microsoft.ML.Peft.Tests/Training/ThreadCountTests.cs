using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training;

/// <summary>
/// Threads share out sums, and floating-point sums depend on their order: docs/architecture.md says how far runs on different
/// numbers of threads may be apart.
/// </summary>
[TestClass]
public sealed class ThreadCountTests
{
    private const double Bound = 1e-5;

    private readonly TinyBert _bert = new();
    private readonly int _threads = get_num_threads();

    [TestCleanup]
    public void Restore()
    {
        set_num_threads(_threads);
        _bert.Dispose();
    }

    [TestMethod]
    public void OneAndTwoThreadsTrainTheSameWithinTheBound()
    {
        Widen();
        Run one = Fit(1), again = Fit(1), two = Fit(2), twoAgain = Fit(2);
        Assert.AreEqual(0, one.DistanceTo(again), "one thread twice");
        Assert.AreEqual(0, two.DistanceTo(twoAgain), "two threads twice");
        double apart = one.DistanceTo(two);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{one.Losses.Count} losses and {one.Scores.Count} scores, one thread and two: at most {apart:E2} apart."));
        Assert.IsGreaterThan(0.05, one.Losses[0] - one.Losses[^1], "The run learns.");
        Assert.IsLessThan(Bound, apart);
    }

    /// <summary>Layers wide enough for libtorch to share them out.</summary>
    private void Widen()
    {
        string file = Path.Combine(_bert.Folder, "config.json");
        JsonNode config = JsonNode.Parse(File.ReadAllText(file))!;
        (config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]) = (256, 1024, 4);
        config["initializer_range"] = 0.05;
        File.WriteAllText(file, config.ToJsonString());
    }

    private Run Fit(int threads)
    {
        set_num_threads(threads);
        var context = TestDevice.NewContext(seed: 1);
        IDataView data = Review.Load(context, 64);
        var losses = new List<double>();
        using PeftTransformer model = context.Peft().FullFineTune(new FullFineTune.Options
        {
            BaseModel = _bert.Folder,
            StartFromScratch = true,
            Task = PeftTask.TextClassification(),
            Training = new TrainingOptions
            {
                MaxSteps = 8, MaxEpochs = 10, LearningRate = 2e-4, BatchSize = 32, Progress = new TinyRun.Callback(p => losses.Add(p.Loss)),
            },
        }).Fit(data);
        return new Run(losses, [.. Table.Read(model.Transform(data), "Score").Cast<object[]>().Select(scores => (double)scores[0])]);
    }

    private sealed record Run(IReadOnlyList<double> Losses, IReadOnlyList<double> Scores)
    {
        /// <summary>The largest difference between two losses or two scores.</summary>
        public double DistanceTo(Run other) =>
            Losses.Zip(other.Losses).Concat(Scores.Zip(other.Scores)).Max(pair => Math.Abs(pair.First - pair.Second));
    }
}
