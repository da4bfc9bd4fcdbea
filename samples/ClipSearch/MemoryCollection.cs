using System.Collections.Concurrent;
using System.Linq.Expressions;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;

namespace ClipSearch;

/// <summary>Pictures with their vectors in memory, each compared with the query. It is asked by a text, a picture or a vector.</summary>
internal class MemoryCollection(
    IEmbeddingGenerator<string, Embedding<float>> texts, IEmbeddingGenerator<DataContent, Embedding<float>> pictures) : VectorStoreCollection<string, PictureRecord>
{
    protected ConcurrentDictionary<string, PictureRecord> Records { get; } = new(StringComparer.Ordinal);

    public override string Name => "pictures";

    public override Task<bool> CollectionExistsAsync(CancellationToken cancellationToken = default) => Task.FromResult(true);

    public override Task EnsureCollectionExistsAsync(CancellationToken cancellationToken = default) => Task.CompletedTask;

    public override Task EnsureCollectionDeletedAsync(CancellationToken cancellationToken = default)
    {
        Records.Clear();
        return SavedAsync(cancellationToken);
    }

    public override Task<PictureRecord?> GetAsync(string key, RecordRetrievalOptions? options = null, CancellationToken cancellationToken = default) =>
        Task.FromResult(Records.GetValueOrDefault(key));

    public override IAsyncEnumerable<PictureRecord> GetAsync(
        Expression<Func<PictureRecord, bool>> filter, int top, FilteredRecordRetrievalOptions<PictureRecord>? options = null, CancellationToken cancellationToken = default) =>
        Records.Values.Where(filter.Compile()).OrderBy(record => record.Path, StringComparer.Ordinal).Skip(options?.Skip ?? 0).Take(top).ToAsyncEnumerable();

    public override Task DeleteAsync(string key, CancellationToken cancellationToken = default)
    {
        Records.TryRemove(key, out _);
        return SavedAsync(cancellationToken);
    }

    public override Task UpsertAsync(PictureRecord record, CancellationToken cancellationToken = default) => UpsertAsync([record], cancellationToken);

    public override Task UpsertAsync(IEnumerable<PictureRecord> records, CancellationToken cancellationToken = default)
    {
        foreach (PictureRecord record in records)
            Records[record.Path] = record;
        return SavedAsync(cancellationToken);
    }

    public override async IAsyncEnumerable<VectorSearchResult<PictureRecord>> SearchAsync<TInput>(
        TInput searchValue, int top, VectorSearchOptions<PictureRecord>? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        float[] query = await VectorOfAsync(searchValue, cancellationToken);
        Func<PictureRecord, bool> filter = options?.Filter?.Compile() ?? (_ => true);
        foreach (var (record, score) in Records.Values.Where(filter).Select(record => (record, Score: TensorPrimitives.CosineSimilarity<float>(query, record.Vector)))
            .OrderByDescending(found => found.Score).Skip(options?.Skip ?? 0).Take(top))
            yield return new VectorSearchResult<PictureRecord>(record, score);
    }

    public override object? GetService(Type serviceType, object? serviceKey = null) => serviceKey is null && serviceType.IsInstanceOfType(this) ? this : null;

    /// <summary>Keeps what has changed; in memory there is nothing to do.</summary>
    protected virtual Task SavedAsync(CancellationToken token) => Task.CompletedTask;

    private async Task<float[]> VectorOfAsync<TInput>(TInput input, CancellationToken token) => input switch
    {
        string text => (await texts.GenerateVectorAsync(text, cancellationToken: token)).ToArray(),
        DataContent picture => (await pictures.GenerateVectorAsync(picture, cancellationToken: token)).ToArray(),
        ReadOnlyMemory<float> vector => vector.ToArray(),
        _ => throw new NotSupportedException($"The collection is asked by a text, a picture or a vector, and not by {typeof(TInput)}."),
    };
}
