using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.VisionLanguage;

namespace ClipPage;

/// <summary>What the page asks: how well labels fit a picture, and which pictures of a gallery lie nearest to it. One asks at a time.</summary>
internal sealed class PictureModel : IDisposable
{
    private const int Shown = 8;

    private readonly MLContext _ml = new();
    private readonly string _folder;
    private readonly IReadOnlyList<string> _templates;
    private readonly PredictionEngine<Query, Nearest> _retriever;
    private readonly Lock _lock = new();
    private (string[] Labels, PredictionEngine<Query, Scores> Engine)? _last;

    /// <param name="folder">The folder of a CLIP.</param>
    /// <param name="templates">What is said of a picture of a label.</param>
    /// <param name="gallery">The pictures to look among.</param>
    public PictureModel(string folder, IReadOnlyList<string> templates, IReadOnlyList<GalleryPicture> gallery)
    {
        (_folder, _templates, Pictures) = (folder, templates, gallery);
        var options = new ClipRetriever.Options { BaseModel = folder, Gallery = ClipModality.Image, Query = ClipModality.Image, TopK = Shown };
        _retriever = Engine<Nearest>(_ml.VisionLanguage().ClipRetriever(options).Fit(
            _ml.Data.LoadFromEnumerable(gallery.Select(picture => new GalleryRow { Id = picture.Name, Image = picture.Read() }))));
    }

    public IReadOnlyList<GalleryPicture> Pictures { get; }

    /// <summary>The labels with the share that each has of the picture, the best first.</summary>
    /// <exception cref="ArgumentException">There are fewer than two labels, or one is empty or there twice.</exception>
    /// <exception cref="InvalidDataException">The file is no picture that can be read.</exception>
    /// <exception cref="InvalidOperationException">A label is longer than the model reads.</exception>
    public IReadOnlyList<(string Label, float Score)> Score(byte[] picture, string[] labels)
    {
        lock (_lock)
        {
            if (_last?.Labels.SequenceEqual(labels) != true)
            {
                // An engine disposes its transformer.
                PredictionEngine<Query, Scores> engine = Engine<Scores>(_ml.VisionLanguage().ClipZeroShotClassifier(new ClipZeroShotClassifier.Options
                {
                    BaseModel = _folder, Labels = labels, Templates = _templates,
                }).Fit(_ml.Data.LoadFromEnumerable<Query>([])));
                _last?.Engine.Dispose();
                _last = (labels, engine);
            }
            return [.. labels.Zip(_last.Value.Engine.Predict(new Query { Image = picture }).Score).OrderByDescending(label => label.Second)];
        }
    }

    /// <summary>The pictures that lie nearest, with their cosines, the nearest first.</summary>
    /// <exception cref="InvalidDataException">The file is no picture that can be read.</exception>
    public IReadOnlyList<(string Name, float Score)> Find(byte[] picture)
    {
        lock (_lock)
        {
            Nearest found = _retriever.Predict(new Query { Image = picture });
            return [.. found.Ids.Zip(found.Scores)];
        }
    }

    public void Dispose()
    {
        _retriever.Dispose();
        _last?.Engine.Dispose();
    }

    private PredictionEngine<Query, TAnswer> Engine<TAnswer>(ITransformer transformer)
        where TAnswer : class, new() => _ml.Model.CreatePredictionEngine<Query, TAnswer>(transformer);

    private sealed class GalleryRow
    {
        public string Id { get; set; } = "";

        public byte[] Image { get; set; } = [];
    }

    private sealed class Query
    {
        public byte[] Image { get; set; } = [];
    }

    private sealed class Scores
    {
        public float[] Score { get; set; } = [];
    }

    private sealed class Nearest
    {
        public string[] Ids { get; set; } = [];

        [ColumnName("Scores")]
        public float[] Scores { get; set; } = [];
    }
}
