namespace Microsoft.ML;

/// <summary>The door to vision-language models: <c>mlContext.VisionLanguage()</c>.</summary>
public static class VisionLanguageExtensions
{
    /// <summary>Gives the catalog of vision-language estimators.</summary>
    /// <param name="mlContext">The context whose seed, device and log the estimators use.</param>
    /// <exception cref="ArgumentNullException"><paramref name="mlContext"/> is null.</exception>
    public static VisionLanguageCatalog VisionLanguage(this MLContext mlContext)
    {
        ArgumentNullException.ThrowIfNull(mlContext);
        return new VisionLanguageCatalog(mlContext);
    }
}

/// <summary>Estimators over CLIP, BLIP and BLIP-2. They arrive one by one; this release holds the door.</summary>
public sealed class VisionLanguageCatalog
{
    internal VisionLanguageCatalog(MLContext mlContext) => Context = mlContext;

    internal MLContext Context { get; }
}
