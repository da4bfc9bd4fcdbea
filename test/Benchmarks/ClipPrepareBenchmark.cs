using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage;
using Microsoft.ML.VisionLanguage.Tasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>A zero-shot classifier's fit, 50 labels in the paper's 80 templates, beside the same 4,000 texts as bare forward passes.</summary>
internal sealed class ClipPrepareBenchmark : IBenchmark
{
    private const int Labels = 50, BatchSize = 256, Rounds = 3;

    public string Name => "clip-zero-shot-prepare";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        using var clip = new ClipFolder();
        var ml = new MLContext(seed: 1);
        // Words of several lengths, as classes have them.
        string[] labels = [.. Enumerable.Range(0, Labels).Select(i => $"{Words[i % Words.Length]}{string.Concat(Enumerable.Repeat(" flower", i / Words.Length))} {i}")];
        IDataView none = ml.Data.LoadFromEnumerable(Array.Empty<PictureRow>());
        var estimator = ml.VisionLanguage().ClipZeroShotClassifier(clip.Folder, labels, ClipTemplates.ImageNet);
        using var texts = (PeftTransformer)ml.VisionLanguage().ClipTextEmbedder(clip.Folder).Fit(none);
        string[] prompts = [.. new PromptEnsemble(labels, ClipTemplates.ImageNet).Prompts];

        void Prepare() => ((IDisposable)estimator.Fit(none)).Dispose();
        void Raw() => Forward((Scorer<float[]>)texts.Scorer, prompts);
        Raw();
        var rounds = Enumerable.Range(0, Rounds).Select(_ => (Prepared: Figure.Median(1, Prepare), Raw: Figure.Median(1, Raw))).OrderBy(round => round.Prepared / round.Raw).ToList();
        var (prepared, raw) = rounds[Rounds / 2];
        new Figure(Name, prepared / raw, "times the texts as raw forwards in batches of 256", 1.0, null).Print(gflops);
        new Figure(Name + "/texts", prompts.Length / prepared, "texts a second", null, prompts.Length / raw).Print(gflops);
    }

    private static readonly string[] Words = ["dog", "goldfish", "great white shark", "tree", "aircraft carrier", "cup", "oak", "electric ray", "chair", "red fox"];

    private static void Forward(Scorer<float[]> scorer, string[] prompts)
    {
        foreach (string[] some in prompts.Chunk(BatchSize))
        {
            using var scope = NewDisposeScope();
            using var noGradient = inference_mode();
            Example[] rows = [.. some.Select(prompt => Example.From(scorer.Task.Tokenizer.Encode(prompt)))];
            using Batch batch = Batch.Collate(rows, CPU, withLabels: false);
            using ModelLease lease = scorer.Host.Enter([AdapterChoice.Active]);
            _ = scorer.Model.Forward(batch, lease.Context()).data<float>().ToArray();
        }
    }
}
