using Microsoft.ML;
using Microsoft.ML.Data;

namespace ClipClassify;

/// <summary>The model as a program uses it.</summary>
internal sealed partial class ClipModel : IDisposable
{
    private readonly PredictionEngine<ModelInput, ModelOutput> _engine;

    private ClipModel(PredictionEngine<ModelInput, ModelOutput> engine) => _engine = engine;

    /// <summary>A picture to classify; the label is read when the model is made.</summary>
    internal sealed class ModelInput
    {
        public byte[] Image { get; set; } = [];

        public string Label { get; set; } = "";
    }

    /// <summary>The answer for a picture.</summary>
    internal sealed class ModelOutput
    {
        public const string Answer = "Answer";

        [ColumnName(Answer)]
        public string PredictedLabel { get; set; } = "";

        public float[] Score { get; set; } = [];
    }

    /// <summary>Loads a saved model.</summary>
    public static ClipModel Load(string path)
    {
        var ml = new MLContext();
        return new ClipModel(ml.Model.CreatePredictionEngine<ModelInput, ModelOutput>(ml.Model.Load(path, out _)));
    }

    /// <summary>The likeliest label of a picture, the bytes of a JPEG, PNG, GIF, BMP or WebP file.</summary>
    public ModelOutput Predict(byte[] image) => _engine.Predict(new ModelInput { Image = image });

    /// <summary>All labels of a picture with their scores, the likeliest first.</summary>
    public IReadOnlyList<(string Label, float Score)> PredictAllLabels(byte[] image)
    {
        VBuffer<ReadOnlyMemory<char>> names = default;
        _engine.OutputSchema[nameof(ModelOutput.Score)].GetSlotNames(ref names);
        return [.. names.DenseValues().Select(name => name.ToString()).Zip(Predict(image).Score).OrderByDescending(l => l.Second)];
    }

    public void Dispose() => _engine.Dispose();
}
