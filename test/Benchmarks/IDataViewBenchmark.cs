using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>5,000 rows through IDataView, beside the same rows through the model alone.</summary>
internal sealed class IDataViewBenchmark : IBenchmark
{
    private const int Rows = 5000, BatchSize = 32;

    public string Name => "idataview";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        var ml = new MLContext(seed: 1);
        TextRow[] rows = [.. Enumerable.Range(0, Rows).Select(i => new TextRow { Text = RealText.Rows[i % RealText.Rows.Length].Text })];
        IDataView data = ml.Data.LoadFromEnumerable(rows);
        using var transformer = ml.Peft().Embed(
            new TextEmbedder.Options { BaseModel = RealText.Model, MaxLength = RealText.MaxLength, ScoringBatchSize = BatchSize }).Fit(data);
        TextTokenizer tokenizer = TextTokenizer.Load(RealText.Model);
        using HostedModel model = RealText.Load(tokenizer);

        double raw = Figure.Median(3, () => RealText.Embed(model, RealText.Encode(tokenizer, rows.Select(row => row.Text)), BatchSize));
        double view = Figure.Median(3, () => Consume(transformer.Transform(data)));
        new Figure(Name, view / raw, "times the raw batched forward", 1.05, Rows / raw).Print(gflops);
    }

    private static void Consume(IDataView data)
    {
        DataViewSchema.Column column = data.Schema["Embedding"];
        using DataViewRowCursor cursor = data.GetRowCursor([column]);
        var getter = cursor.GetGetter<VBuffer<float>>(column);
        VBuffer<float> value = default;
        while (cursor.MoveNext())
            getter(ref value);
    }

    private sealed class TextRow
    {
        public string Text { get; set; } = "";
    }
}
