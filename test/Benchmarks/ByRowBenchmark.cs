using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Tuners;
using static TorchSharp.torch;

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
        using PretrainedModel model = RealText.Load();
        Head head = RealText.MeanHead(model, tokenizer);
        ITuner[] tuners = [.. s_adapters.Select(name => Attached(model, name))];
        Example[] rows = RealText.Encode(tokenizer, RealText.Rows.Take(512).Select(row => row.Text));

        void Embed(Func<int, string> adapter) => RealText.Embed(
            model, head, rows, 32, count => ForwardContext.ForRows([.. Enumerable.Range(0, count).Select(adapter)], CPU));
        void One() => Embed(_ => s_adapters[0]);
        // As the scorer sorts them.
        void Four() => Embed(row => s_adapters[row / 8 % s_adapters.Length]);
        One();
        Four();
        double one = Figure.Median(5, One);
        new Figure(Name, Figure.Median(5, Four) / one, "times one adapter for all rows", 1.15, rows.Length / one).Print(gflops);
        Array.ForEach(tuners, tuner => tuner.Dispose());
    }

    private static ITuner Attached(PretrainedModel model, string name)
    {
        ITuner tuner = new LoraOptions().Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, []), seed: 1, name);
        return tuner;
    }
}
