using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>Rows of a tensor in managed memory.</summary>
internal static class Vectors
{
    /// <param name="rows">[B, ..., width]</param>
    public static float[][] Of(Tensor rows)
    {
        using var scope = NewDisposeScope();
        return [.. rows.cpu().contiguous().data<float>().ToArray().Chunk((int)rows.size(-1))];
    }
}
