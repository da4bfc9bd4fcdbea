using Microsoft.ML;

namespace AskText;

/// <summary>The model as a program uses it.</summary>
internal sealed partial class AnswerModel : IDisposable
{
    private readonly PredictionEngine<ModelInput, ModelOutput> _engine;

    private AnswerModel(PredictionEngine<ModelInput, ModelOutput> engine) => _engine = engine;

    /// <summary>A text and a question about it.</summary>
    internal sealed class ModelInput
    {
        public string Context { get; set; } = "";

        public string Question { get; set; } = "";
    }

    /// <summary>The best answers, what they are worth, and where they stand in the text.</summary>
    internal sealed class ModelOutput
    {
        public string[] Answer { get; set; } = [];

        public float[] Score { get; set; } = [];

        public int[] PredictedIndex { get; set; } = [];
    }

    /// <summary>Loads a saved model.</summary>
    public static AnswerModel Load(string path)
    {
        var ml = new MLContext();
        return new(ml.Model.CreatePredictionEngine<ModelInput, ModelOutput>(ml.Model.Load(path, out _)));
    }

    /// <summary>The best answer.</summary>
    public string Predict(string text, string question) => PredictAll(text, question).Answer[0];

    /// <summary>The best answers with their scores and places.</summary>
    public ModelOutput PredictAll(string text, string question) => _engine.Predict(new ModelInput { Context = text, Question = question });

    public void Dispose() => _engine.Dispose();
}
