using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>Inference with LoRA beside the weights, against LoRA merged into them.</summary>
internal sealed class UnmergedBenchmark : IBenchmark
{
    public string Name => "unmerged";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        TextTokenizer tokenizer = TextTokenizer.Load(RealText.Model);
        using PretrainedModel model = RealText.Load();
        Head head = RealText.MeanHead(model, tokenizer);
        using ITuner tuner = new LoraOptions().Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, []), seed: 1);
        Example[] rows = RealText.Encode(tokenizer, RealText.Rows.Take(512).Select(row => row.Text));

        void Embed() => RealText.Embed(model, head, rows, 32);
        Embed();
        double unmerged = Figure.Median(5, Embed);
        tuner.TryMerge();
        double merged = Figure.Median(5, Embed);
        new Figure(Name, unmerged / merged, "times the merged model", 1.05, rows.Length / merged).Print(gflops);
    }
}
