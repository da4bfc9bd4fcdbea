namespace Microsoft.ML.VisionLanguage;

/// <summary>Towers of a model that puts pictures and texts into one space.</summary>
public enum ClipTowers
{
    /// <summary>Both.</summary>
    Both,

    /// <summary>That of the pictures, with its projection; that of the texts is locked.</summary>
    Image,

    /// <summary>That of the texts, with its projection; that of the pictures is locked (LiT, Zhai et al. 2022).</summary>
    Text,
}
