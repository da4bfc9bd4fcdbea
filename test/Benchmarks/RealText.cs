using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
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

    /// <summary>The model with mean embeddings for its head.</summary>
    public static HostedModel Load(TextTokenizer tokenizer)
    {
        PretrainedModel model = BaseModels.Open(Model, CPU, seed: 1);
        return new HostedModel(model, PeftTask.TextEmbedding().Bind(LabelSet.None, new TextProcessor(tokenizer), MaxLength).CreateHead(model));
    }

    public static Example[] Encode(TextTokenizer tokenizer, IEnumerable<string> texts) =>
        [.. texts.Select(text => Example.From(tokenizer.Encode(text, null, MaxLength), []))];

    /// <summary>Mean embeddings of rows in batches, the longest rows together; nothing is kept.</summary>
    /// <param name="model">The model.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="batchSize">Rows in a batch.</param>
    /// <param name="adapters">The adapters of so many rows; null for the bare base.</param>
    public static void Embed(HostedModel model, IEnumerable<Example> rows, int batchSize, Func<int, string?[]>? adapters = null)
    {
        using var noGrad = inference_mode();
        foreach (Example[] chunk in rows.OrderBy(row => row.Length).Chunk(batchSize))
        {
            using var scope = NewDisposeScope();
            using Batch batch = Batch.Collate(chunk, CPU, withLabels: false);
            model.Run(context => model.Host.Model.Forward(batch, context).data<float>().ToArray(), adapters?.Invoke(chunk.Length) ?? []);
        }
    }

    private static (string Label, string Text)[] Read(string file) => [.. File.ReadLines(Path.Combine(SharedData.Data, "sms-spam", file))
        .Skip(1).Select(line => line.Split('\t')).Select(cells => (cells[0], cells[1]))];
}
