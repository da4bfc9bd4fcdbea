using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Training.Estimates;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;
using Microsoft.ML.VisionLanguage.Inputs;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tests.Tasks;

/// <summary>The loss over many pairs in pieces is the loss of all at once.</summary>
[TestClass]
public sealed class GradientCachingTests
{
    private const int Pairs = 1024, Piece = 32;

    [TestMethod]
    [DataRow(false, true)]
    [DataRow(false, false)]
    [DataRow(true, true)]
    public void GradientsAreThoseOfOnePiece(bool lora, bool masked)
    {
        using var clip = new TinyClip();
        using TunedModel model = Open(clip, lora ? new LoraOptions { TargetModules = [LoraOptions.AllLinear] } : new FullOptions(), masked, out TaskRuntime task);
        Example[] rows = Rows(task.Processor);
        int[] numbers = [.. Enumerable.Range(0, Pairs)];
        (double Sum, long Count) Learn(int piece) => new BatchRunner(model, task, CPU) { PieceSize = piece }.Learn(rows, rows, numbers, new() { Seeds = new DropoutSeeds(3) });

        (double sum, long count) = Learn(Pairs);
        float[][] once = Gradients(model);
        model.Trainable.ClearGradients();
        (double pieces, _) = Learn(Piece);
        Assert.AreEqual(Pairs, count);
        Assert.AreEqual(sum / count, pieces / count, 1e-5);
        AreClose(once, Gradients(model));
    }

    [TestMethod]
    public void DropoutDrawsTheSameTwice()
    {
        using var clip = new TinyClip(change: config =>
        {
            foreach (string tower in new[] { "text_config", "vision_config" })
                config[tower]!["attention_dropout"] = 0.2;
        });
        using TunedModel model = Open(clip, new LoraOptions { Dropout = 0.3 }, masked: true, out TaskRuntime task);
        Example[] rows = Rows(task.Processor)[..24];
        int[] numbers = [.. Enumerable.Range(0, rows.Length)];
        var runner = new BatchRunner(model, task, CPU) { PieceSize = 8 };
        foreach (Parameter parameter in model.Trainable.Where(parameter => parameter.Name.Contains("lora_B", StringComparison.Ordinal)))
        {
            using Tensor update = linspace(-0.1, 0.1, parameter.Value.numel()).view_as(parameter.Value);
            parameter.Assign(update);
        }
        runner.Learn(rows, rows, numbers, new() { Seeds = new DropoutSeeds(3) });
        float[][] pieces = Gradients(model);
        model.Trainable.ClearGradients();

        using var scope = NewDisposeScope();
        var context = new ForwardContext { Seeds = new DropoutSeeds(3) };
        Batch[] batches = [.. rows.Chunk(8).Select(part => runner.Begin(part, withLabels: true).Finish())];
        Tensor answers = cat([.. batches.Select(batch => runner.Answer(batch, rows, numbers, context))], 0);
        using var all = new Batch { Examples = rows };
        runner.LearnFrom(answers, all);
        Array.ForEach(batches, batch => batch.Dispose());
        AreClose(Gradients(model), pieces);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AnEstimateIsWhatAStepTakes(bool lora)
    {
        const int Batch = 256;
        using var clip = new TinyClip();
        using TunedModel model = Open(clip, lora ? new LoraOptions() : new FullOptions(), masked: true, out TaskRuntime task);
        Example[] rows = Rows(task.Processor)[..Batch];
        var settings = new TrainingSettings(new TrainingOptions { BatchSize = Batch, MiniBatchSize = Piece }, new TrainingDefaults(LearningRate: 1e-3));
        long estimated = Forecast.Of(model, task, rows, validates: false, settings, CPU, seed: 1, heldBefore: null).ActivationBytes;
        using AllocationRecorder? recorder = AllocationRecorder.Start(CPU.type);
        if (recorder is null)
        {
            // libtorch does not tell its blocks here, and nothing is estimated.
            Assert.AreEqual(0, estimated);
            return;
        }
        // As a run orders them: like lengths stand together.
        Example[] ordered = [.. rows.OrderByDescending(row => row.Length)];
        new BatchRunner(model, task, CPU) { PieceSize = Piece }.Learn(ordered, ordered, [.. Enumerable.Range(0, Batch)], new() { Seeds = new DropoutSeeds(3) });
        long taken = new AllocationTrace([.. recorder.Events]).PeakBesidesKept;
        Assert.AreEqual(taken, estimated, 0.15 * taken);
    }

    // Some gradients are zero but for rounding (keys' biases): none is nearer than the largest allows.
    private static void AreClose(float[][] expected, float[][] actual)
    {
        double largest = expected.Max(values => values.Max(Math.Abs));
        foreach (var (whole, own) in expected.Zip(actual))
        {
            double size = whole.Max(Math.Abs);
            for (int i = 0; i < whole.Length; i++)
                Assert.AreEqual(whole[i], own[i], (1e-5 * size) + (1e-6 * largest));
        }
    }

    private static TunedModel Open(TinyClip clip, TunerOptions tuner, bool masked, out TaskRuntime task)
    {
        PretrainedModel model = Microsoft.ML.Peft.Estimators.BaseModels.Open(clip.Folder, CPU, seed: 1);
        task = ClipTask.Pairs(maskSameTexts: masked).Bind(LabelSet.None, PictureProcessor.Load(clip.Folder, new(), clip.Folder), 10);
        return TunedModelFactory.Create(model, task, tuner, seed: 1);
    }

    private static Example[] Rows(InputProcessor processor)
    {
        PictureRow[] kinds = [.. PictureRow.Some(60)];
        var random = new Random(1);
        string[] words = ["red", "green", "blue", "square", "stripes", "left", "right", "dark"];
        // Texts of three words, some of which come twice.
        return [.. Enumerable.Range(0, Pairs).Select(i => Example.From(processor.Tokenizer.Encode(
            string.Join(' ', Enumerable.Range(0, 1 + (i % 5)).Select(_ => words[random.Next(words.Length)])))).With(Fields.Picture, kinds[i % kinds.Length].Image))];
    }

    private static float[][] Gradients(TunedModel model) => [.. model.Trainable.Select(parameter => parameter.Value.grad!.data<float>().ToArray())];
}
