using Microsoft.Extensions.AI;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Chat;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Models;

namespace Microsoft.ML.Peft;

/// <summary>A text embedding model, encoder or decoder, as a generator of embeddings; texts are scored in batches of their like in length.</summary>
public sealed class PeftEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly PeftTransformer _transformer;
    private readonly Scorer<float[]> _scorer;
    private readonly bool _owned;
    private readonly EmbeddingGeneratorMetadata _metadata;

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
        : this(Open(options), owned: true)
    {
    }

    internal PeftEmbeddingGenerator(PeftTransformer transformer, bool owned)
    {
        (_transformer, _owned) = (transformer, owned);
        transformer.Scorer.Host.Check();
        _scorer = transformer.Scorer is Scorer<float[]> { Task.Task.PeftTaskType: "FEATURE_EXTRACTION" } scorer ? scorer : throw new NotSupportedException(
            $"The transformer's task is '{transformer.Scorer.Task.Task.Key}': embeddings need one that embeds texts.");
        string? name = transformer.BaseName;
        _metadata = new EmbeddingGeneratorMetadata("peft", defaultModelId: name, defaultModelDimensions: scorer.Model.Model.As<TextModel>().HiddenSize);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A text is null, or an option does not go with the model.</exception>
    /// <exception cref="NotSupportedException">An option cannot be honoured.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        Check(options);
        _scorer.Host.Check();
        string[] texts = [.. values];
        if (Array.FindIndex(texts, text => text is null) is >= 0 and var missing)
            throw new ArgumentException($"Text {missing} of {texts.Length} is null.", nameof(values));
        // Off the caller's thread, which may be one that must not wait; dispose scopes stay on the one that computes.
        return Task.Run(() => Generate(texts, cancellationToken), cancellationToken);
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) => Services.Find(serviceType, serviceKey, this, _metadata);

    /// <summary>Frees the model if the generator opened it.</summary>
    public void Dispose()
    {
        if (_owned)
            _transformer.Dispose();
    }

    private GeneratedEmbeddings<Embedding<float>> Generate(string[] texts, CancellationToken token)
    {
        Example[] rows = [.. texts.Select(text => Example.From(_scorer.Task.Tokenizer.Encode(text, null, _scorer.Task.MaxLength)))];
        float[][] vectors = LengthOrder.Predict(_scorer, [.. rows.Select(row => new[] { row })], token);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        long read = rows.Sum(row => (long)row.Length);
        return new(vectors.Select(vector => new Embedding<float>(vector) { CreatedAt = now, ModelId = _metadata.DefaultModelId }))
        {
            Usage = new UsageDetails { InputTokenCount = read, TotalTokenCount = read },
        };
    }

    private void Check(EmbeddingGenerationOptions? options)
    {
        if (options?.Dimensions is { } size && size != _metadata.DefaultModelDimensions)
            throw new ArgumentException($"{nameof(options.Dimensions)} is {size}; the model's embeddings have {_metadata.DefaultModelDimensions}.", nameof(options));
        if (options?.ModelId is { } wanted && wanted != _metadata.DefaultModelId)
            throw new ArgumentException($"{nameof(options.ModelId)} is '{wanted}'; this generator has '{_metadata.DefaultModelId}'.", nameof(options));
        if (options?.AdditionalProperties is { Count: > 0 } properties)
            throw new NotSupportedException($"{nameof(options.AdditionalProperties)}['{properties.Keys.First()}'] is set; none is known.");
        if (options?.RawRepresentationFactory is not null)
            throw new NotSupportedException($"{nameof(options.RawRepresentationFactory)} is set; there is nothing that it could make.");
    }

    private static PeftTransformer Open(TextEmbedder.Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var ml = new MLContext();
        var none = SchemaDefinition.Create(typeof(NoText));
        none[nameof(NoText.Text)].ColumnName = options.InputColumnName;
        return new TextEmbedder(new PeftHost(ml, nameof(TextEmbedder)), options).Fit(ml.Data.LoadFromEnumerable(Array.Empty<NoText>(), none));
    }

    private sealed class NoText
    {
        public string Text { get; set; } = "";
    }
}
