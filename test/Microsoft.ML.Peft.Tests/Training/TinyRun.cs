using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training;

/// <summary>A run over the tiny model with the settings that most tests share.</summary>
internal static class TinyRun
{
    public static TrainingResult Train(
        TunedModel model, TrainingOptions options, int rows = 50, IReadOnlyList<Example>? validation = null, TinyTask? task = null,
        long seed = 1, CancellationToken token = default, ITrainingReporter? reporter = null) => TrainingLoop.Run(
            model, task ?? new TinyTask(), TinyTask.Rows(rows), validation, Settings(options), CPU, seed, reporter ?? new Log(), token);

    /// <summary>The options over a method of no tuner.</summary>
    public static TrainingSettings Settings(TrainingOptions options) => new(options, new TrainingDefaults(LearningRate: 1e-4));

    public static float[] Weights(TunedModel model) =>
        [.. model.Trainable.SelectMany(p => p.Value.detach().data<float>().ToArray())];

    /// <summary>Trains a fresh model and gives its weights.</summary>
    public static float[] WeightsAfter(
        TrainingOptions options, int rows = 50, bool frozen = false, double dropout = 0, TinyTask? task = null, long seed = 1)
    {
        using TunedModel model = TinyModel.Create(frozen, dropout);
        Train(model, options, rows, task: task, seed: seed);
        return Weights(model);
    }

    public static void AreClose(float[] expected, float[] actual, double tolerance)
    {
        Assert.HasCount(expected.Length, actual);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], tolerance, $"value {i}");
    }

    public sealed class Log : ITrainingReporter
    {
        public List<string> Messages { get; } = [];

        public List<string> Warnings { get; } = [];

        public List<TrainingProgress> Steps { get; } = [];

        public void Info(string message) => Messages.Add(message);

        public void Warning(string message) => Warnings.Add(message);

        public void Progress(in TrainingProgress progress) => Steps.Add(progress);
    }

    /// <summary>Calls back at once, on the training thread (System.Progress does not).</summary>
    public sealed class Callback(Action<TrainingProgress> action) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => action(value);
    }
}
