using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Training.Estimates;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training;

/// <summary>LoRA on a T5, which no estimator offers yet: rows of texts and of shorter ones that the decoder is to write.</summary>
internal static class EncoderDecoderFit
{
    private const int Vocabulary = 8192, TextLength = 128, WrittenLength = 64, Rows = 16;

    private static readonly TrainingSettings s_settings = TinyRun.Settings(new() { BatchSize = 8, MaxEpochs = 1 });

    /// <summary>Makes a model's folder.</summary>
    public static void Write(string folder, int hidden, int layers)
    {
        File.WriteAllText(Path.Combine(folder, "config.json"), new JsonObject
        {
            ["model_type"] = "t5", ["architectures"] = new JsonArray("T5ForConditionalGeneration"), ["vocab_size"] = Vocabulary, ["d_model"] = hidden,
            ["d_kv"] = hidden / 8, ["num_heads"] = 8, ["num_layers"] = layers, ["d_ff"] = 4 * hidden, ["relative_attention_num_buckets"] = 32,
        }.ToJsonString());
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(folder), null, CPU, seed: 1);
        SafetensorsWriter.WriteFile(
            Path.Combine(folder, "model.safetensors"), model.Weights.All.Where(p => p.Name != "lm_head.weight").Select(p => (p.Name, p.Value)));
    }

    /// <summary>Trains once over all rows; gives what was estimated before.</summary>
    public static TrainingEstimate Run(string folder)
    {
        // No estimator opens the library's door here.
        AllocatorSwitch.Apply();
        long? heldBefore = ProcessHeap.Exists ? ProcessHeap.Instance.Held : null;
        PretrainedModel model = ModelRegistry.Create(HfConfig.Load(folder), SharedCheckpoint.Acquire(folder, CPU), CPU, seed: 1);
        var task = new WritingTask();
        using TunedModel tuned = TunedModelFactory.Create(model, task, new LoraOptions(), seed: 1);
        Example[] rows = [.. Enumerable.Range(0, Rows).Select(Row)];
        TrainingEstimate estimate = Forecast.Of(tuned, task, rows, validates: false, s_settings, CPU, seed: 1, heldBefore);
        TrainingLoop.Run(tuned, task, rows, null, s_settings, CPU, seed: 1, new TinyRun.Log(), CancellationToken.None);
        return estimate;
    }

    private static Example Row(int row)
    {
        var random = new SplitMix64(row);
        return new() { Ids = Tokens(TextLength), Labels = Tokens(WrittenLength) };
        int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => 2 + random.Next(Vocabulary - 2))];
    }

    /// <summary>What each label costs.</summary>
    private sealed class WritingTask() : TaskRuntime<float>(null!, LabelSet.None, new PlainProcessor(), TextLength)
    {
        public override IReadOnlyList<OutputColumn<float>> Outputs => [];

        public override Tensor Answer(Head head, Tensor hidden, Batch batch, ForwardContext context) =>
            ((LanguageModelHead)head).TokenLosses(hidden, batch.Labels!, context);

        public override (Tensor Sum, long Count) Loss(Tensor answer, Batch batch) => (answer.sum(), batch.Examples.Sum(e => e.Labels.Length));

        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels) => throw new NotSupportedException();

        public override Head CreateHead(PretrainedModel model) => ((IEncoderDecoder)model).CreateSequenceToSequenceHead();

        public override ITaskMetrics CreateMetrics() => throw new NotSupportedException();

        public override IReadOnlyList<float> Predict(Tensor answer, Batch batch) => throw new NotSupportedException();

        private sealed class PlainProcessor : InputProcessor;
    }
}
