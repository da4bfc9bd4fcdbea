using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>Inference with LoRA beside the weights, against LoRA merged into them.</summary>
internal sealed class UnmergedBenchmark : IBenchmark
{
    public string Name => "unmerged";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        TextTokenizer tokenizer = TextTokenizer.Load(RealText.Model);
        using HostedModel model = RealText.Load(tokenizer);
        PeftAdapter adapter = model.Attach("lora", new LoraOptions());
        Example[] rows = RealText.Encode(tokenizer, RealText.Rows.Take(512).Select(row => row.Text));

        void Embed() => RealText.Embed(model, rows, 32, _ => [adapter.Name]);
        Embed();
        double unmerged = Figure.Median(5, Embed);
        model.Host.Merge(adapter);
        double merged = Figure.Median(5, Embed);
        new Figure(Name, unmerged / merged, "times the merged model", 1.05, rows.Length / merged).Print(gflops);
    }
}
