using System.Numerics.Tensors;
using Microsoft.ML.Data;
using Microsoft.ML.VisionLanguage.Tasks;

namespace Microsoft.ML.VisionLanguage.Metrics;

/// <summary>Ranks what queries find: by the vectors of both sides, or by what a retriever said.</summary>
internal static class RetrievalEvaluation
{
    /// <summary>By the cosines of all queries with all of the gallery.</summary>
    /// <exception cref="ArgumentException">A query's id is none of the gallery's, or vectors are of different width.</exception>
    public static RelevantRanks[] ByVectors(IReadOnlyList<IdentifiedVector> queries, IReadOnlyList<IdentifiedVector> gallery)
    {
        int width = gallery[0].Vector.Length;
        if (gallery.Concat(queries).FirstOrDefault(row => row.Vector.Length != width) is { } other)
            throw new ArgumentException($"The gallery's first vector has {width} numbers, and that of '{other.Id}' has {other.Vector.Length} numbers.");
        HashSet<string> known = [.. gallery.Select(row => row.Id)];
        for (int query = 0; query < queries.Count; query++)
        {
            if (!known.Contains(queries[query].Id))
                throw new ArgumentException($"Row {query} of the queries has the id '{queries[query].Id}', which no row of the gallery has.");
        }
        var ranks = new RelevantRanks[queries.Count];
        Parallel.For(0, queries.Count, query => ranks[query] = Rank(queries[query], gallery));
        return ranks;
    }

    /// <summary>By the ids that a retriever gave, the nearest first; none is there twice.</summary>
    /// <param name="data">What the retriever wrote.</param>
    /// <param name="id">The id that belongs to each query.</param>
    /// <param name="found">The retriever's ids.</param>
    /// <exception cref="ArgumentException">A column is missing or of another type, or there is no row.</exception>
    public static IReadOnlyList<RelevantRanks> ByIds(IDataView data, IdColumn id, IdColumn found)
    {
        var ranks = new List<RelevantRanks>();
        using DataViewRowCursor cursor = data.GetRowCursor([id.In(data.Schema), found.In(data.Schema)]);
        Func<string> own = id.Read(cursor);
        Func<string[]> nearest = found.ReadMany(cursor);
        while (cursor.MoveNext())
            ranks.Add(new RelevantRanks(Array.IndexOf(nearest(), own()) is >= 0 and var place ? [place + 1] : [], 1));
        return ranks.Count > 0 ? ranks : throw new ArgumentException("The data have no row.");
    }

    private static RelevantRanks Rank(IdentifiedVector query, IReadOnlyList<IdentifiedVector> gallery)
    {
        var scores = new float[gallery.Count];
        for (int row = 0; row < scores.Length; row++)
            scores[row] = TensorPrimitives.Dot<float>(query.Vector, gallery[row].Vector);
        bool IsRight(int row) => gallery[row].Id == query.Id;
        int[] order = [.. Enumerable.Range(0, scores.Length).OrderByDescending(row => scores[row]).ThenBy(IsRight)];
        int[] ranks = [.. Enumerable.Range(1, order.Length).Where(rank => IsRight(order[rank - 1]))];
        return new RelevantRanks(ranks, ranks.Length);
    }
}

/// <summary>A row's vector of length 1 and its id.</summary>
internal sealed record IdentifiedVector(string Id, float[] Vector)
{
    /// <summary>The rows of data.</summary>
    /// <param name="data">The data.</param>
    /// <param name="vectors">The column of vectors.</param>
    /// <param name="ids">The column of ids; null where each row's place is its id.</param>
    /// <param name="what">What the data are, for errors.</param>
    /// <exception cref="ArgumentException">A column is missing or of another type, or there is no row.</exception>
    public static IReadOnlyList<IdentifiedVector> Read(IDataView data, string vectors, IdColumn? ids, string what)
    {
        DataViewSchema.Column column = data.Schema.GetColumnOrNull(vectors) is { Type: VectorDataViewType { ItemType: NumberDataViewType { RawType: var item } } } found && item == typeof(float)
            ? found
            : throw new ArgumentException($"The {what} have no column '{vectors}' of vectors of Single; they have {string.Join(", ", data.Schema.Select(c => $"{c.Name} ({c.Type})"))}.");
        var rows = new List<IdentifiedVector>();
        using DataViewRowCursor cursor = data.GetRowCursor(ids is null ? [column] : [column, ids.In(data.Schema)]);
        var getter = cursor.GetGetter<VBuffer<float>>(column);
        Func<string> id = ids is null ? () => $"{cursor.Position}" : ids.Read(cursor);
        for (VBuffer<float> value = default; cursor.MoveNext();)
        {
            getter(ref value);
            float[] vector = [.. value.DenseValues()];
            if (TensorPrimitives.Norm<float>(vector) is > 0 and var length)
                TensorPrimitives.Divide(vector, length, vector);
            rows.Add(new IdentifiedVector(id(), vector));
        }
        return rows.Count > 0 ? rows : throw new ArgumentException($"The {what} have no row.");
    }
}
