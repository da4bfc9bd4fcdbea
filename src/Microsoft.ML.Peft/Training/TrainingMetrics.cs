using System.Globalization;

namespace Microsoft.ML.Peft;

/// <summary>
/// Names of what a validation set is measured by: in <see cref="TrainingProgress.Validation"/>, in <see cref="TrainingResult"/> and
/// for <see cref="TrainingOptions.EarlyStoppingMetric"/>.
/// </summary>
public static class TrainingMetrics
{
    /// <summary>The mean loss, of every task. Lower is better.</summary>
    public const string Loss = "Loss";

    /// <summary>The share of right labels, of text and token classification; of pairs the share of pictures to which their own text is the nearest in its batch.</summary>
    public const string Accuracy = "Accuracy";

    /// <summary>The mean of all labels' F1, of text and token classification.</summary>
    public const string MacroF1 = "MacroF1";

    /// <summary>The exponential of the mean loss of a token, of tasks that train a decoder or fill blanks. Lower is better.</summary>
    public const string Perplexity = "Perplexity";

    /// <summary>The share of questions whose answer is right word by word, of question answering, as SQuAD's evaluation has it.</summary>
    public const string ExactMatch = "ExactMatch";

    /// <summary>The mean F1 of the words of answers, of question answering, as SQuAD's evaluation has it.</summary>
    public const string F1 = "F1";

    /// <summary>The share of masked tokens that were found, of masked language modelling.</summary>
    public const string MaskedAccuracy = "MaskedAccuracy";

    /// <summary>The share of tokens in blanks that are the likeliest given the text and what stands before them in their blank, of blank infilling and of learning to fill blanks.</summary>
    public const string BlankAccuracy = "BlankAccuracy";

    /// <summary>The share of rows whose answer is the likeliest, of factual probing.</summary>
    public const string PrecisionAt1 = "Precision@1";

    /// <summary>The share of rows whose answer is among the ten likeliest, of factual probing.</summary>
    public const string PrecisionAt10 = "Precision@10";

    /// <summary>The share of pictures to which their own text is the nearest of all in the data set, of tasks over pairs of picture and text.</summary>
    public const string ImageToTextRecall = "ImageToTextRecall@1";

    /// <summary>The share of texts to which their own picture is the nearest of all in the data set, of tasks over pairs of picture and text.</summary>
    public const string TextToImageRecall = "TextToImageRecall@1";

    /// <summary>A metric as a number of which more is better.</summary>
    internal static double Score(string name, double value) => name is Loss or Perplexity ? -value : value;

    /// <summary>Names and values in a line.</summary>
    internal static string Text(IEnumerable<KeyValuePair<string, double>> metrics) =>
        string.Join(", ", metrics.Select(m => string.Create(CultureInfo.InvariantCulture, $"{m.Key} {m.Value:f4}")));
}
