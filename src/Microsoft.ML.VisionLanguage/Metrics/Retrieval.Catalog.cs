using Microsoft.ML.Data;
using Microsoft.ML.VisionLanguage;
using Microsoft.ML.VisionLanguage.Metrics;
using Microsoft.ML.VisionLanguage.Tasks;

namespace Microsoft.ML;

public sealed partial class VisionLanguageCatalog
{
    private static readonly int[] s_depths = [1, 5, 10];

    /// <summary>How well the vectors of queries find the rows of a gallery that belong to them, by the cosines of all pairs.</summary>
    /// <param name="queries">The queries' vectors.</param>
    /// <param name="gallery">The gallery's vectors; the same data for pairs.</param>
    /// <param name="queryColumnName">The column of <paramref name="queries"/>: vectors of Single, of any length.</param>
    /// <param name="galleryColumnName">The column of <paramref name="gallery"/>.</param>
    /// <param name="idColumnName">
    /// Text or a number in both: a row of the gallery belongs to the queries with its id, and several may. Null (the default) for pairs: the first row to the
    /// first, and so on.
    /// </param>
    /// <param name="depths">Where recall is asked for; null (the default) for 1, 5 and 10.</param>
    /// <returns>Recall, median rank and mean average precision.</returns>
    /// <exception cref="ArgumentException">
    /// A column is missing or of another type, there is no row, a query's id is none of the gallery's, the vectors are of different width, or a depth is below 1.
    /// </exception>
    public RetrievalMetrics EvaluateRetrieval(
        IDataView queries, IDataView gallery, string queryColumnName = "TextEmbedding", string galleryColumnName = "ImageEmbedding", string? idColumnName = null,
        IReadOnlyList<int>? depths = null)
    {
        ArgumentNullException.ThrowIfNull(queries);
        ArgumentNullException.ThrowIfNull(gallery);
        int[] asked = Checked(depths ?? s_depths);
        IdColumn? ids = idColumnName is null ? null : new IdColumn(idColumnName);
        return new RetrievalMetrics(
            RetrievalEvaluation.ByVectors(IdentifiedVector.Read(queries, queryColumnName, ids, "queries"), IdentifiedVector.Read(gallery, galleryColumnName, ids, "gallery's data")), asked);
    }

    /// <summary>How well a retriever found what belongs to its queries, as far down as it gave ids: what is further down counts as not found.</summary>
    /// <param name="data">What <see cref="VisionLanguage.ClipRetriever"/> made of queries.</param>
    /// <param name="idColumnName">The id of the one row of the gallery that belongs to the query.</param>
    /// <param name="outputColumnName">The retriever's column of ids.</param>
    /// <param name="depths">Where recall is asked for; null (the default) for 1, 5 and 10, as far as the retriever gave so many ids.</param>
    /// <returns>Recall, median rank and mean average precision.</returns>
    /// <exception cref="ArgumentException">A column is missing or of another type, there is no row, or a depth is below 1 or beyond the ids that there are.</exception>
    public RetrievalMetrics EvaluateRetrieval(IDataView data, string idColumnName = "Id", string outputColumnName = "Ids", IReadOnlyList<int>? depths = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        var found = new IdColumn(outputColumnName);
        int size = (found.In(data.Schema).Type as VectorDataViewType)?.Size ?? 0;
        int[] asked = Checked(depths ?? [.. s_depths.Where(depth => size == 0 || depth <= size)]);
        if (size > 0 && asked.Max() > size)
            throw new ArgumentException($"Recall is asked for at {asked.Max()}, and column '{outputColumnName}' has {size} ids a row.", nameof(depths));
        return new RetrievalMetrics(RetrievalEvaluation.ByIds(data, new IdColumn(idColumnName), found), asked);
    }

    private static int[] Checked(IReadOnlyList<int> depths) => depths.Count > 0 && depths.All(depth => depth > 0)
        ? [.. depths]
        : throw new ArgumentException($"Depths must be numbers above 0, at least one; they are {string.Join(", ", depths)}.", nameof(depths));
}
