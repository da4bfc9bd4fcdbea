namespace Microsoft.ML.VisionLanguage;

/// <summary>How the likeness of a picture and a text is given.</summary>
public enum ClipSimilarity
{
    /// <summary>The cosine of their vectors, from -1 to 1.</summary>
    Cosine,

    /// <summary>What the model's loss sees: the cosine times the model's temperature (100 for OpenAI's models), and its bias added where it has one (SigLIP).</summary>
    Logit,
}
