using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Glm;

/// <summary>Slices of GLM-10B (48 layers, width 4096, 64 heads, 50304 tokens, 1024 positions; half precision) over NF4, and of a small sibling: they learn, and what they take is estimated.</summary>
[TestClass]
public sealed class GlmShapeTests
{
    private const int TenBillion = 4096, Sibling = 64, AllLayers = 48;

    [TestMethod]
    public void ASliceOfASmallSiblingLearnsOverNf4() => CheckLearns(Sibling);

    [TestMethod]
    public void ASliceOfTenBillionWeightsLearnsOverNf4()
    {
        LongTests.Require();
        CheckLearns(TenBillion);
    }

    [TestMethod]
    public void TheSiblingTakesWhatItsPartsAre() => CheckEstimate(Sibling, textTokens: 24);

    /// <summary>docs/glm.md has the figures: what a layer takes, from two slices, and so what all of them do.</summary>
    [TestMethod]
    public void TenBillionWeightsTakeWhatTheirPartsAre()
    {
        LongTests.Require();
        CheckEstimate(TenBillion, textTokens: 500);
    }

    private static void CheckLearns(int width)
    {
        using TinyGlm slice = Slice(width, layers: 2);
        var losses = new List<double>();
        QloraFineTune.Options options = Options(slice.Folder, batchSize: 2);
        // The same rows again and again, of which no dropout hides anything.
        (options.Lora.Dropout, options.Training.MaxSteps, options.Training.LearningRate) = (0, 4, 1e-3);
        options.Training.Progress = new TinyRun.Callback(progress => losses.Add(progress.Loss));
        MLContext ml = TestDevice.NewContext(seed: 1);
        using PeftTransformer model = ml.Peft().Qlora(options).Fit(Rows(ml, "the [MASK] is fine", 2));
        Console.WriteLine($"losses {string.Join(' ', losses.Select(loss => loss.ToString("f4", CultureInfo.InvariantCulture)))}");
        Assert.IsTrue(losses.TrueForAll(double.IsFinite));
        Assert.IsLessThan(losses[0], losses[^1]);
    }

    private static void CheckEstimate(int width, int textTokens)
    {
        TrainingEstimate two = Estimate(2), four = Estimate(4);
        Console.WriteLine($"2 layers: {two}\n4 layers: {four}");
        long Whole(Func<TrainingEstimate, long> part) => part(two) + ((AllLayers - 2) * (part(four) - part(two)) / 2);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{AllLayers} layers: peak {Whole(e => e.PeakMemoryBytes) / 1e9:f1} GB; mapped {Whole(e => e.MappedBytes) / 1e9:f1}, weights {Whole(e => e.WeightBytes) / 1e9:f1}, trained {Whole(e => e.TrainableBytes) / 1e9:f1}, gradients {Whole(e => e.GradientBytes) / 1e9:f1}, optimizer {Whole(e => e.OptimizerBytes) / 1e9:f1}, activations {Whole(e => e.ActivationBytes) / 1e9:f1} GB"));
        // Twelve squares of the width, each weight in 4 bits, with a scale of 8 bits for 64, whose own scales and the biases are small.
        double layer = 12.0 * width * width * (4 + (8.0 / 64)) / 8;
        Assert.AreEqual(layer, (four.WeightBytes - two.WeightBytes) / 2.0, 0.2 * layer);
        // Rank 64 over four matrices, of 4, 2, 5 and 5 widths together.
        Assert.AreEqual(64L * 16 * width * sizeof(float), (four.GradientBytes - two.GradientBytes) / 2);
        Assert.AreEqual(2 * four.GradientBytes, four.OptimizerBytes);

        TrainingEstimate Estimate(int layers)
        {
            using TinyGlm slice = Slice(width, layers);
            // The figures are those of a CPU's memory.
            var ml = new MLContext(seed: 1);
            return ml.Peft().Qlora(Options(slice.Folder, batchSize: 4)).Estimate(Rows(ml, new string('x', textTokens) + "[MASK]", 4));
        }
    }

    private static QloraFineTune.Options Options(string folder, int batchSize) => new()
    {
        BaseModel = folder, Task = PeftTask.FillBlanks(), Training = new TrainingOptions { BatchSize = batchSize },
    };

    private static IDataView Rows(MLContext ml, string text, int count) => ml.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(_ => new { Text = text, Answers = new[] { "book" } }));

    /// <summary>The folder of a small GLM, with the weights of a large one in half precision, drawn one after another.</summary>
    private static TinyGlm Slice(int width, int layers)
    {
        int vocabulary = width == TenBillion ? 50304 : 512;
        var folder = new TinyGlm(change: config => config["num_layers"] = layers);
        string file = Path.Combine(folder.Folder, HfConfig.FileName), weights = Path.Combine(folder.Folder, "model.safetensors");
        JsonObject config = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
        var sizes = new Dictionary<long, long> { [32] = width, [96] = 3 * width, [128] = 4 * width, [97] = 1025, [config["vocab_size"]!.GetValue<int>()] = vocabulary };
        (config["hidden_size"], config["num_attention_heads"], config["vocab_size"], config["max_sequence_length"]) = (width, width / 64, vocabulary, 1024);
        List<PlannedTensor> planned = [];
        using (ITensorSource small = CheckpointFolder.Open(folder.Folder))
        {
            foreach (string name in small.Names)
            {
                long[] shape = Array.ConvertAll(small.ShapeOf(name), size => sizes[size]);
                planned.Add(new PlannedTensor(name, ScalarType.Float16, shape, () => Drawn(name, shape)));
            }
        }
        File.Delete(weights);
        SafetensorsWriter.WriteFile(weights, planned);
        File.WriteAllText(file, config.ToJsonString());
        return folder;
    }

    private static Tensor Drawn(string name, long[] shape)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)name.Length);
        Tensor values = shape.Length > 1 ? randn(shape, ScalarType.Float32, CPU, generator: generator).mul_(0.02)
            : name.EndsWith("layernorm.weight", StringComparison.Ordinal) ? ones(shape, ScalarType.Float32, CPU)
            : zeros(shape, ScalarType.Float32, CPU);
        return values.to(ScalarType.Float16).MoveToOuterDisposeScope();
    }
}
