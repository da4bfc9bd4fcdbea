using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>Batches whose rows use four adapters, against batches under one of them.</summary>
internal sealed class ByRowBenchmark : IBenchmark
{
    private static readonly string[] s_adapters = ["a", "b", "c", "d"];

    public string Name => "rows-by-adapter";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        TextTokenizer tokenizer = TextTokenizer.Load(RealText.Model);
        using HostedModel model = RealText.Load(tokenizer);
        foreach (string name in s_adapters)
            model.Attach(name, new LoraOptions());
        Example[] rows = RealText.Encode(tokenizer, RealText.Rows.Take(512).Select(row => row.Text));

        void Embed(Func<int, string> adapter) => RealText.Embed(model, rows, 32, count => [.. Enumerable.Range(0, count).Select(adapter)]);
        void One() => Embed(_ => s_adapters[0]);
        // As the scorer sorts them.
        void Four() => Embed(row => s_adapters[row / 8 % s_adapters.Length]);
        One();
        Four();
        double one = Figure.Median(5, One);
        new Figure(Name, Figure.Median(5, Four) / one, "times one adapter for all rows", 1.15, rows.Length / one).Print(gflops);
    }
}
