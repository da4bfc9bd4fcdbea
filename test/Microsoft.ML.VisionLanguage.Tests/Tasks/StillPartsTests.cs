using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
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
using Microsoft.ML.VisionLanguage.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tests.Tasks;

/// <summary>What a locked tower says of a row is worked out once.</summary>
[TestClass]
public sealed class StillPartsTests
{
    private readonly TinyClip _clip = new();

    [TestCleanup]
    public void Delete() => _clip.Dispose();

    [TestMethod]
    [DataRow(ClipTowers.Text, false)]
    [DataRow(ClipTowers.Text, true)]
    [DataRow(ClipTowers.Image, false)]
    public void RowsThatHoldItTeachTheSame(ClipTowers towers, bool lora)
    {
        using TunedModel model = Open((lora ? new LoraOptions() : (TunerOptions)new FullOptions()).Within(TowerModules.Of(towers)), new(), out TaskRuntime task);
        var runner = new BatchRunner(model, task, CPU);
        Example[] rows = Rows(task.Processor);
        IReadOnlyList<Example> answered = StillParts.Find(runner, rows)!.Answer(rows, batchSize: 5, CancellationToken.None);
        Assert.AreEqual(towers == ClipTowers.Image, answered.All(row => row.Has(Fields.Picture)));
        double expected = Learn(rows, out float[][] gradients), actual = Learn(answered, out float[][] found);
        Assert.AreEqual(expected, actual, 1e-6 * expected);
        double largest = gradients.Max(values => values.Max(Math.Abs));
        foreach (var (whole, own) in gradients.Zip(found))
        {
            for (int i = 0; i < whole.Length; i++)
                Assert.AreEqual(whole[i], own[i], 1e-5 * largest);
        }

        double Learn(IReadOnlyList<Example> set, out float[][] gradients)
        {
            model.Trainable.ClearGradients();
            (double sum, _) = runner.Learn(set, set, [.. Enumerable.Range(0, set.Count)], new() { Seeds = new DropoutSeeds(3) });
            gradients = [.. model.Trainable.Select(parameter => parameter.Value.grad!.data<float>().ToArray())];
            return sum;
        }
    }

    [TestMethod]
    public void NothingIsKeptWhereBothTowersTrainOrPicturesVary()
    {
        using TunedModel both = Open(new LoraOptions().Settled(), new(), out TaskRuntime task);
        Assert.IsNull(StillParts.Find(new BatchRunner(both, task, CPU), Rows(task.Processor)));
        var varied = new PictureOptions { Augmentation = new PictureAugmentation { FlipProbability = 0.5 } };
        using TunedModel texts = Open(new FullOptions().Within(TowerModules.Of(ClipTowers.Text)), varied, out task);
        Assert.IsNull(StillParts.Find(new BatchRunner(texts, task, CPU), Rows(task.Processor)));
    }

    [TestMethod]
    public void TheNextBatchsPixelsAreEstimated()
    {
        // Large pictures of few patches: pixels are most of what a step holds.
        using var clip = new TinyClip(change: config => (config["vision_config"]!["image_size"], config["vision_config"]!["patch_size"]) = (64, 32));
        string settingsOfPictures = Path.Combine(clip.Folder, "preprocessor_config.json");
        File.WriteAllText(settingsOfPictures, File.ReadAllText(settingsOfPictures).Replace($"{TinyClip.Side}", "64", StringComparison.Ordinal));
        using TunedModel model = Open(new LoraOptions().Settled(), new(), out TaskRuntime task, clip);
        Example[] rows = Rows(task.Processor);
        var settings = new TrainingSettings(new TrainingOptions { BatchSize = rows.Length, MiniBatchSize = rows.Length }, new TrainingDefaults(LearningRate: 1e-3));
        long estimated = Forecast.Of(model, task, rows, validates: false, settings, CPU, seed: 1, heldBefore: null).ActivationBytes;
        using Peft.Interop.AllocationRecorder? recorder = Peft.Interop.AllocationRecorder.Start(CPU.type);
        if (recorder is null)
        {
            // libtorch does not tell its blocks here, and nothing is estimated.
            Assert.AreEqual(0, estimated);
            return;
        }
        using (IEnumerator<Pending<(double, long)>> steps = Steps().OneAhead().GetEnumerator())
        {
            steps.MoveNext();
            steps.Current.Finish();
        }
        long taken = new AllocationTrace([.. recorder.Events]).PeakBesidesKept;
        Assert.AreEqual(taken, estimated, 0.15 * taken);

        IEnumerable<Pending<(double, long)>> Steps()
        {
            var runner = new BatchRunner(model, task, CPU) { PieceSize = rows.Length };
            while (true)
                yield return runner.BeginLearning(rows, rows, [.. Enumerable.Range(0, rows.Length)], new() { Seeds = new DropoutSeeds(3) });
        }
    }

    private TunedModel Open(TunerOptions tuner, PictureOptions pictures, out TaskRuntime task, TinyClip? clip = null)
    {
        string folder = (clip ?? _clip).Folder;
        PretrainedModel model = Microsoft.ML.Peft.Estimators.BaseModels.Open(folder, CPU, seed: 1);
        task = ClipTask.Pairs(pictures: pictures).Bind(LabelSet.None, PictureProcessor.Load(folder, pictures, folder), 10);
        return TunedModelFactory.Create(model, task, tuner, seed: 1);
    }

    private static Example[] Rows(InputProcessor processor) =>
        [.. PictureRow.Some(32).Select(row => Example.From(processor.Tokenizer.Encode(row.Text)).With(Fields.Picture, row.Image))];
}
