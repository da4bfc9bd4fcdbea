using Microsoft.Extensions.AI;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Chat;

namespace Microsoft.ML.VisionLanguage;

/// <summary>
/// A tower of pictures as a generator of embeddings. The pictures are the bytes of JPEG, PNG, GIF, BMP or WebP files, scored in batches; the texts' vectors
/// of the same model (<see cref="ClipEmbeddingGenerators.ForTexts"/>) lie in the same space.
/// </summary>
public sealed class ClipImageEmbeddingGenerator : IEmbeddingGenerator<DataContent, Embedding<float>>
{
    private readonly EmbeddingRequests<byte[]> _requests;

    internal ClipImageEmbeddingGenerator(PeftTransformer transformer, bool owned) =>
        _requests = new EmbeddingRequests<byte[]>(transformer, "picture", owned);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A picture is null, empty or of a media type that is none of pictures, or an option does not go with the model.</exception>
    /// <exception cref="NotSupportedException">An option cannot be honoured.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<DataContent> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        DataContent[] pictures = [.. values];
        byte[][] bytes = [.. pictures.Select((picture, i) => BytesOf(picture, $"Picture {i} of {pictures.Length}"))];
        return _requests.GenerateAsync(bytes, options, cancellationToken);
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) => Services.Find(serviceType, serviceKey, this, _requests.Metadata);

    /// <summary>Frees the model if the generator opened it.</summary>
    public void Dispose() => _requests.Dispose();

    private static byte[] BytesOf(DataContent? picture, string name)
    {
        if (picture is null)
            throw new ArgumentException($"{name} is null.");
        if (!picture.HasTopLevelMediaType("image"))
            throw new ArgumentException($"{name} has the media type '{picture.MediaType}', expected image/*.");
        return picture.Data.Length > 0 ? picture.Data.ToArray() : throw new ArgumentException($"{name} is empty.");
    }
}
