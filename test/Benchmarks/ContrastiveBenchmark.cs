using System.Text;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners.Full;
using Microsoft.ML.VisionLanguage;
using Microsoft.ML.VisionLanguage.Inputs;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>
/// The contrastive loss over 1,024 pairs by gradient caching, in pieces of 32, at the shape of a small CLIP whose weights all train: its time beside one
/// forward and backward pass of each piece, its memory beside a batch of one piece.
/// </summary>
internal sealed class ContrastiveBenchmark : IBenchmark
{
    private const int Pairs = 1024, Piece = 32, Length = 32, Vocabulary = 8192, Side = 64;

    private static readonly string s_config = $$"""
        {"model_type":"clip","architectures":["CLIPModel"],"projection_dim":256,
         "text_config":{"hidden_size":256,"num_hidden_layers":4,"num_attention_heads":4,"intermediate_size":1024,"vocab_size":{{Vocabulary}},
                        "max_position_embeddings":{{Length}},"bos_token_id":0,"eos_token_id":{{Vocabulary - 1}} },
         "vision_config":{"hidden_size":256,"num_hidden_layers":6,"num_attention_heads":4,"intermediate_size":1024,"image_size":{{Side}},"patch_size":8} }
        """;

    private static readonly string s_pictures = $$"""
        {"size":{"shortest_edge":{{Side}} },"crop_size":{{Side}},"resample":3,"image_mean":[0.5,0.5,0.5],"image_std":[0.25,0.25,0.25]}
        """;

    public string Name => "clip-contrastive-1024";

    public void Run()
    {
        Registration.Registries.Shared.Include(typeof(VisionLanguageCatalog).Assembly);
        PretrainedModel model = ModelRegistry.Create(HfConfig.Parse(Encoding.UTF8.GetBytes(s_config), "benchmark"), null, CPU, seed: 1);
        var processor = PictureProcessor.Of([], new Dictionary<string, byte[]> { ["preprocessor_config.json"] = Encoding.UTF8.GetBytes(s_pictures) });
        TaskRuntime task = ClipTask.Pairs().Bind(LabelSet.None, processor, Length);
        using TunedModel tuned = TunedModelFactory.Create(model, task, new FullOptions(), seed: 1);
        using var optimizer = new Optimizer(tuned.Trainable, new TrainingSettings(new(), new TrainingDefaults(LearningRate: 1e-5)));
        Example[] rows = Rows();
        var runner = new BatchRunner(tuned, task, CPU) { PieceSize = Piece };
        // With the first step comes the optimizer's state.
        Step(runner, optimizer, rows[..Piece]);
        Time(runner, tuned, rows);
        if (OperatingSystem.IsLinux())
            Memory(runner, optimizer, rows);
    }

    private void Time(BatchRunner runner, TunedModel tuned, Example[] rows)
    {
        double gflops = GemmPeak.Gflops();
        // Each is 32 passes or more: one turn evens out what disturbs a few of them.
        double once = Figure.Median(1, () => Array.ForEach([.. rows.Chunk(Piece)], piece => Learn(runner, piece)));
        double cached = Figure.Median(1, () => Learn(runner, rows));
        tuned.Trainable.ClearGradients();
        new Figure(Name + "/time", cached / once, "of one forward and backward of the same pieces", 1.5, null).Print(gflops);
        new Figure(Name + "/seconds", cached, "s a step of 1,024 pairs, pictures decoded twice", null, once).Print(gflops);
    }

    // The small step first: a heap that has grown stays as it is.
    private void Memory(BatchRunner runner, Optimizer optimizer, Example[] rows)
    {
        double gflops = GemmPeak.Gflops();
        (long smallBase, long small) = ProcessMemory.Around(() => Step(runner, optimizer, rows[..Piece]));
        (long largeBase, long large) = ProcessMemory.Around(() => Step(runner, optimizer, rows));
        new Figure(Name + "/memory", (double)large / small, "of the process's peak with a batch of 32", 1.2, null).Print(gflops);
        new Figure(Name + "/growth", (double)(large - largeBase) / (small - smallBase), "of the growth in a step of 32 pairs", null, null).Print(gflops);
        new Figure(Name + "/growth-mb", (large - largeBase) / 1e6, "MB that a step of 1,024 pairs grows by; peer: one of 32", null, (small - smallBase) / 1e6).Print(gflops);
    }

    private static (double, long) Learn(BatchRunner runner, Example[] rows) =>
        runner.Learn(rows, rows, [.. Enumerable.Range(0, rows.Length)], new ForwardContext { Seeds = new DropoutSeeds(1) });

    private static void Step(BatchRunner runner, Optimizer optimizer, Example[] rows)
    {
        Learn(runner, rows);
        optimizer.Step(1e-5, 1.0 / rows.Length);
        optimizer.ClearGradients();
    }

    private static Example[] Rows()
    {
        var random = new Random(1);
        byte[][] pictures = [.. Enumerable.Range(0, 64).Select(i => PictureRow.Png(Side + (i % 16), Side + (i % 8), (x, y) => ((byte)(x * i), (byte)(y * i), (byte)(x + y))))];
        return [.. Enumerable.Range(0, Pairs).Select(i => new Example
        {
            Ids = [0, .. Enumerable.Range(0, Length - 2).Select(_ => random.Next(1, Vocabulary - 1)), Vocabulary - 1],
        }.With(Fields.Picture, pictures[i % pictures.Length]))];
    }
}
