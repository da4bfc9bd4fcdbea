namespace Microsoft.ML.VisionLanguage;

/// <summary>Where a class's name stands among the learned context vectors (Zhou et al. 2022).</summary>
public enum ClassPosition
{
    /// <summary>Behind them.</summary>
    End,

    /// <summary>Between the first half and the second.</summary>
    Middle,

    /// <summary>Before them.</summary>
    Front,
}
