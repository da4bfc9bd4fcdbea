using Microsoft.Extensions.AI;
using Microsoft.ML.Peft.Estimators;

namespace Microsoft.ML.Peft.Chat;

/// <summary>What all generators of embeddings do with a transformer, whatever it embeds.</summary>
internal sealed class EmbeddingRequests<TInput> : IDisposable
{
    private readonly PeftTransformer _transformer;
    private readonly DirectEmbedder<TInput> _embedder;
    private readonly string _input;
    private readonly bool _owned;

    /// <param name="transformer">The transformer.</param>
    /// <param name="input">What it embeds, for errors: "text".</param>
    /// <param name="owned">Whether it goes with the generator.</param>
    /// <exception cref="NotSupportedException">It embeds something else, or nothing.</exception>
    public EmbeddingRequests(PeftTransformer transformer, string input, bool owned)
    {
        (_transformer, _input, _owned, _embedder) = (transformer, input, owned, new DirectEmbedder<TInput>(transformer, input + "s"));
        Metadata = new EmbeddingGeneratorMetadata("peft", defaultModelId: transformer.BaseName, defaultModelDimensions: _embedder.Width);
    }

    public EmbeddingGeneratorMetadata Metadata { get; }

    /// <exception cref="ArgumentException">An option does not go with the model.</exception>
    /// <exception cref="NotSupportedException">An option cannot be honoured.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(TInput[] inputs, EmbeddingGenerationOptions? options, CancellationToken token)
    {
        Check(options);
        _embedder.Check();
        // Off the caller's thread, which may be one that must not wait; dispose scopes stay on the one that computes.
        return Task.Run(() => Generate(inputs, token), token);
    }

    /// <summary>Frees the model if it goes with the generator.</summary>
    public void Dispose()
    {
        if (_owned)
            _transformer.Dispose();
    }

    private GeneratedEmbeddings<Embedding<float>> Generate(TInput[] inputs, CancellationToken token)
    {
        var (vectors, read) = _embedder.Embed(inputs, i => $"The {_input} {i} of {inputs.Length}", token);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        return new(vectors.Select(vector => new Embedding<float>(vector) { CreatedAt = now, ModelId = Metadata.DefaultModelId }))
        {
            Usage = new UsageDetails { InputTokenCount = read, TotalTokenCount = read },
        };
    }

    private void Check(EmbeddingGenerationOptions? options)
    {
        if (options?.Dimensions is { } size && size != Metadata.DefaultModelDimensions)
            throw new ArgumentException($"{nameof(options.Dimensions)} is {size}; the model's embeddings have {Metadata.DefaultModelDimensions}.", nameof(options));
        if (options?.ModelId is { } wanted && wanted != Metadata.DefaultModelId)
            throw new ArgumentException($"{nameof(options.ModelId)} is '{wanted}'; this generator has '{Metadata.DefaultModelId}'.", nameof(options));
        if (options?.AdditionalProperties is { Count: > 0 } properties)
            throw new NotSupportedException($"{nameof(options.AdditionalProperties)}['{properties.Keys.First()}'] is set; none is known.");
        if (options?.RawRepresentationFactory is not null)
            throw new NotSupportedException($"{nameof(options.RawRepresentationFactory)} is set; there is nothing that it could make.");
    }
}
