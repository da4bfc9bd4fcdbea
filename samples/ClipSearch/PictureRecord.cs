using Microsoft.Extensions.VectorData;

namespace ClipSearch;

/// <summary>A picture of the collection.</summary>
internal sealed class PictureRecord
{
    /// <summary>Its file.</summary>
    [VectorStoreKey]
    public string Path { get; set; } = "";

    /// <summary>The folder that it lies in.</summary>
    [VectorStoreData]
    public string Label { get; set; } = "";

    /// <summary>CLIP's vector of it, of length 1; models have other widths than ViT-B/32's too, and the collection takes any.</summary>
    [VectorStoreVector(512, DistanceFunction = DistanceFunction.CosineSimilarity)]
    public float[] Vector { get; set; } = [];
}
