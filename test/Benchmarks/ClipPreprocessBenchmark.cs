using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage;
using Microsoft.ML.VisionLanguage.Images;
using SkiaSharp;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>Photographs a second and core from bytes to a model's pixels as CLIP has them (224 by 224), beside SkiaSharp's decoding alone.</summary>
internal sealed class ClipPreprocessBenchmark : IBenchmark
{
    private const int Rounds = 9;

    private const string Settings = """
        {
          "size": {"shortest_edge": 224}, "crop_size": 224, "do_center_crop": true, "resample": 3,
          "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]
        }
        """;

    public string Name => "clip-preprocess";

    public void Run()
    {
        byte[][] photographs = [.. Directory.GetFiles(Path.Combine(SharedData.Data, "flowers"), "*.jpg", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];
        PictureSettings settings = PictureSettings.Parse(System.Text.Encoding.UTF8.GetBytes(Settings), "the benchmark");
        var reader = new PictureReader(new PictureOptions());
        var pixels = new float[settings.Count];
        Action decode = () =>
        {
            foreach (byte[] photograph in photographs)
                SKBitmap.Decode(photograph).Dispose();
        };
        Action prepare = () =>
        {
            foreach (byte[] photograph in photographs)
            {
                using Picture picture = reader.Decode(photograph, Name);
                settings.Write(picture, null, pixels);
            }
        };
        decode();
        prepare();
        // In turns, so that what else the machine does falls on both.
        (double Decode, double Prepare)[] rounds = [.. Enumerable.Range(0, Rounds).Select(_ => (Figure.Median(1, decode), Figure.Median(1, prepare)))];
        double alone = Median(rounds.Select(round => round.Decode)), whole = Median(rounds.Select(round => round.Prepare));
        new Figure(Name, Median(rounds.Select(round => round.Decode / round.Prepare)), "of the photographs a second and core of decoding alone", 0.7, null).Print(0);
        new Figure($"{Name}/photographs", photographs.Length / whole, "a second and core", null, photographs.Length / alone).Print(0);
    }

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(Rounds / 2);
}
