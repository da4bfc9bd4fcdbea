using Microsoft.Extensions.AI;
using Microsoft.ML.Peft.Chat;
using Microsoft.ML.Peft.Hosting;

namespace Microsoft.ML.Peft;

/// <summary>A text embedding model, encoder or decoder, as a generator of embeddings; texts are scored in batches of their like in length.</summary>
public sealed class PeftEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly EmbeddingRequests<string> _requests;

    /// <summary>Opens a model as it is.</summary>
    /// <param name="model">The folder of a Hugging Face model, or a .gguf file.</param>
    /// <exception cref="NotSupportedException">The model is of an unknown kind.</exception>
    /// <exception cref="IOException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is malformed.</exception>
    public PeftEmbeddingGenerator(string model)
        : this(new TextEmbedder.Options { BaseModel = model })
    {
    }

    /// <summary>Opens a model as it is.</summary>
    /// <param name="options">All settings; columns have no meaning here.</param>
    /// <inheritdoc cref="PeftEmbeddingGenerator(string)" path="/exception"/>
    public PeftEmbeddingGenerator(TextEmbedder.Options options)
        : this(new TextEmbedder(new PeftHost(new MLContext(), nameof(TextEmbedder)), options ?? throw new ArgumentNullException(nameof(options))).Open(), owned: true)
    {
    }

    internal PeftEmbeddingGenerator(PeftTransformer transformer, bool owned) =>
        _requests = new EmbeddingRequests<string>(transformer, "text", owned);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A text is null, or an option does not go with the model.</exception>
    /// <exception cref="NotSupportedException">An option cannot be honoured.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        string[] texts = [.. values];
        if (Array.FindIndex(texts, text => text is null) is >= 0 and var missing)
            throw new ArgumentException($"Text {missing} of {texts.Length} is null.", nameof(values));
        return _requests.GenerateAsync(texts, options, cancellationToken);
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) => Services.Find(serviceType, serviceKey, this, _requests.Metadata);

    /// <summary>Frees the model if the generator opened it.</summary>
    public void Dispose() => _requests.Dispose();
}
