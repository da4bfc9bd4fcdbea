using Microsoft.ML.Peft;

namespace Microsoft.ML.VisionLanguage;

/// <summary>What every estimator is told that reads texts with a model of pictures and texts.</summary>
public abstract class ClipTextOptions : ModelOptions
{
    private protected ClipTextOptions() { }

    /// <summary>
    /// Whether texts that are longer than the model reads (77 tokens, the two at their ends included, or <see cref="ModelOptions.MaxLength"/> if that is
    /// less) are cut, the token at their end kept; false by default: they are errors.
    /// </summary>
    public bool TruncateTexts { get; set; }
}
