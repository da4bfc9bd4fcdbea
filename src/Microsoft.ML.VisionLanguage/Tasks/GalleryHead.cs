using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>Vectors that are looked among, and the queries' vectors at length 1.</summary>
/// <param name="vectors">[N, width], of length 1.</param>
internal sealed class GalleryHead(Parameter vectors) : Head
{
    public const string Weight = "weight";

    // Of 512 numbers each they stay in a core's cache while all queries of a batch go over them.
    private const int RowsAtOnce = 256;

    public override IReadOnlyList<Parameter> Parameters => [vectors];

    public override IReadOnlyList<Parameter> ClassRows => [vectors];

    /// <param name="hidden">[B, 1, width]</param>
    /// <param name="batch">The queries.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, 1, width]</returns>
    public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context) => nn.functional.normalize(hidden, 2, -1, 1e-12);

    /// <summary>The cosines of each query with all vectors.</summary>
    /// <param name="queries">Of length 1.</param>
    public unsafe float[][] Cosines(float[][] queries)
    {
        using Tensor here = vectors.Value.detach(), gallery = here.cpu();
        int rows = (int)gallery.size(0), width = (int)gallery.size(1);
        float[][] cosines = Array.ConvertAll(queries, _ => new float[rows]);
        Elements<float> elements = gallery;
        nint address = (nint)elements.Address;
        Parallel.For(0, (rows + RowsAtOnce - 1) / RowsAtOnce, block =>
        {
            int first = block * RowsAtOnce, end = Math.Min(rows, first + RowsAtOnce);
            for (int query = 0; query < queries.Length; query++)
            {
                for (int row = first; row < end; row++)
                    cosines[query][row] = TensorPrimitives.Dot(queries[query], new ReadOnlySpan<float>((float*)address + ((long)row * width), width));
            }
        });
        elements.KeepAlive();
        return cosines;
    }
}
