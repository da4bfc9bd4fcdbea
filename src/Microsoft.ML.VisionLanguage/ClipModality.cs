namespace Microsoft.ML.VisionLanguage;

/// <summary>What one of the two towers reads.</summary>
public enum ClipModality
{
    /// <summary>Pictures.</summary>
    Image,

    /// <summary>Texts.</summary>
    Text,
}
