using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>all-MiniLM-L6-v2 and sms-spam's texts.</summary>
internal static class RealText
{
    public const int MaxLength = 64;

    public static string Model { get; } = Path.Combine(SharedData.Models, "all-minilm-l6-v2");

    public static (string Label, string Text)[] Rows { get; } = Read("train.tsv");

    public static (string Label, string Text)[] TestRows { get; } = Read("test.tsv");

    public static PretrainedModel Load() => ModelRegistry.Create(HfConfig.Load(Model), SharedCheckpoint.Acquire(Model, CPU), CPU, seed: 1);

    public static Example[] Encode(TextTokenizer tokenizer, IEnumerable<string> texts) =>
        [.. texts.Select(text => Example.From(tokenizer.Encode(text, null, MaxLength), []))];

    /// <summary>Mean embeddings of rows in batches, the longest rows together; nothing is kept.</summary>
    public static void Embed(PretrainedModel model, Head head, IEnumerable<Example> rows, int batchSize, Func<int, ForwardContext>? call = null)
    {
        using var noGrad = inference_mode();
        foreach (Example[] chunk in rows.OrderBy(row => row.Length).Chunk(batchSize))
        {
            using var scope = NewDisposeScope();
            using Batch batch = Batch.Collate(chunk, CPU, withLabels: false);
            ForwardContext context = call?.Invoke(chunk.Length) ?? ForwardContext.Inference;
            using AdapterRows? byRow = context.Rows;
            Tensor hidden = model.Features(batch, head, context);
            head.Forward(hidden, batch, context).data<float>().ToArray();
        }
    }

    public static Head MeanHead(PretrainedModel model, TextTokenizer tokenizer) =>
        PeftTask.TextEmbedding().Bind(LabelSet.None, new TextProcessor(tokenizer), MaxLength).CreateHead(model);

    private static (string Label, string Text)[] Read(string file) => [.. File.ReadLines(Path.Combine(SharedData.Data, "sms-spam", file))
        .Skip(1).Select(line => line.Split('\t')).Select(cells => (cells[0], cells[1]))];
}
