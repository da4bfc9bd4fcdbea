using Microsoft.ML;
using Microsoft.ML.Data;

namespace QuickStart;

/// <summary>The model as a program uses it.</summary>
internal sealed partial class TextModel : IDisposable
{
    private readonly PredictionEngine<ModelInput, ModelOutput> _engine;

    private TextModel(PredictionEngine<ModelInput, ModelOutput> engine) => _engine = engine;

    /// <summary>A row to classify; the label is read in training only.</summary>
    internal sealed class ModelInput
    {
        public string Text { get; set; } = "";

        public string Label { get; set; } = "";
    }

    /// <summary>The answer for a row.</summary>
    internal sealed class ModelOutput
    {
        public string PredictedLabel { get; set; } = "";

        public float[] Score { get; set; } = [];
    }

    /// <summary>Loads a saved model.</summary>
    public static TextModel Load(string path)
    {
        var ml = new MLContext();
        return new TextModel(ml.Model.CreatePredictionEngine<ModelInput, ModelOutput>(ml.Model.Load(path, out _)));
    }

    /// <summary>The likeliest label of a text.</summary>
    public ModelOutput Predict(string text) => _engine.Predict(new ModelInput { Text = text });

    /// <summary>All labels of a text with their scores, the likeliest first.</summary>
    public IReadOnlyList<(string Label, float Score)> PredictAllLabels(string text)
    {
        VBuffer<ReadOnlyMemory<char>> names = default;
        _engine.OutputSchema[nameof(ModelOutput.Score)].GetSlotNames(ref names);
        return [.. names.DenseValues().Select(name => name.ToString()).Zip(Predict(text).Score).OrderByDescending(l => l.Second)];
    }

    public void Dispose() => _engine.Dispose();
}
