using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.VisionLanguage;

namespace ClipIcons;

/// <summary>Trains the CLIP of icons, from nothing.</summary>
internal static class IconTraining
{
    public const int UsualEpochs = 12;

    /// <param name="ml">The context, whose seed decides the weights.</param>
    /// <param name="folder">Where the untrained model is written.</param>
    /// <param name="icons">Icons with their captions.</param>
    /// <param name="epochs">How often each is seen.</param>
    public static PeftTransformer Train(MLContext ml, string folder, IReadOnlyCollection<IconRow> icons, int epochs = UsualEpochs) =>
        ml.Peft().FullFineTune(new FullFineTune.Options
        {
            BaseModel = IconClip.WriteFolder(folder, icons.Select(row => row.Text)),
            StartFromScratch = true,
            Task = ClipTask.Pairs(),
            Training = new TrainingOptions
            {
                MaxEpochs = epochs,
                BatchSize = 128,
                // So small a model runs a batch in one piece.
                MiniBatchSize = 128,
                LearningRate = 1e-3,
                // The paper's, for towers that start from nothing.
                Beta2 = 0.98,
                Epsilon = 1e-6,
                WeightDecay = 0.1,
                Schedule = LearningRateSchedule.Cosine,
                WarmupRatio = 0.1,
                // Captions of like length have styles in common: they are told from any others.
                GroupByLength = false,
                Progress = new Epochs(),
            },
        }).Fit(ml.Data.LoadFromEnumerable(icons));

    /// <summary>Says how the epochs go.</summary>
    private sealed class Epochs : IProgress<TrainingProgress>
    {
        private readonly List<double> _losses = [];
        private int _epoch = 1;

        public void Report(TrainingProgress value)
        {
            if (value.Epoch != _epoch)
            {
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"epoch {_epoch}: loss {_losses.Average():F3}"));
                _epoch = value.Epoch;
                _losses.Clear();
            }
            _losses.Add(value.Loss);
        }
    }
}

/// <summary>A picture and what is said of it.</summary>
internal sealed class IconRow
{
    public byte[] Image { get; set; } = [];

    public string Text { get; set; } = "";

    public string Words { get; set; } = "";

    public static IconRow Of(Icon icon, string caption) => new() { Image = SvgDrawing.Png(icon.Svg, IconClip.Side), Text = caption, Words = icon.Words };
}
