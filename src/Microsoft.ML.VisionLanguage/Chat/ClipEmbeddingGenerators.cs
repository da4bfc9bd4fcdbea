using Microsoft.Extensions.AI;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.VisionLanguage;

namespace Microsoft.ML.VisionLanguage
{
    /// <summary>The two towers of a model through the interfaces of Microsoft.Extensions.AI.</summary>
    public static class ClipEmbeddingGenerators
    {
        /// <summary>Opens a model's tower of texts.</summary>
        /// <param name="options">All settings; columns have no meaning here.</param>
        /// <returns>The generator, which owns the model.</returns>
        /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
        /// <exception cref="IOException">A file is missing.</exception>
        /// <exception cref="InvalidDataException">A file is malformed.</exception>
        public static PeftEmbeddingGenerator ForTexts(ClipTextEmbedder.Options options)
        {
            ArgumentNullException.ThrowIfNull(options);
            return new PeftEmbeddingGenerator(new ClipTextEmbedder(Host(nameof(ClipTextEmbedder)), options).Open(), owned: true);
        }

        /// <summary>Opens a model's tower of pictures.</summary>
        /// <inheritdoc cref="ForTexts"/>
        public static ClipImageEmbeddingGenerator ForImages(ClipImageEmbedder.Options options)
        {
            ArgumentNullException.ThrowIfNull(options);
            return new ClipImageEmbeddingGenerator(new ClipImageEmbedder(Host(nameof(ClipImageEmbedder)), options).Open(), owned: true);
        }

        /// <summary>A transformer that <see cref="ClipTextEmbedder"/> made as a generator of embeddings.</summary>
        /// <param name="transformer">The transformer.</param>
        /// <returns>The generator; disposing it leaves the transformer as it is.</returns>
        /// <exception cref="NotSupportedException">It does not embed texts.</exception>
        /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
        public static PeftEmbeddingGenerator AsTextEmbeddingGenerator(this ITransformer transformer) => new(Ours(transformer), owned: false);

        /// <summary>A transformer that <see cref="ClipImageEmbedder"/> made as a generator of embeddings.</summary>
        /// <param name="transformer">The transformer.</param>
        /// <returns>The generator; disposing it leaves the transformer as it is.</returns>
        /// <exception cref="NotSupportedException">It does not embed pictures.</exception>
        /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
        public static ClipImageEmbeddingGenerator AsImageEmbeddingGenerator(this ITransformer transformer) => new(Ours(transformer), owned: false);

        private static PeftTransformer Ours(ITransformer transformer)
        {
            ArgumentNullException.ThrowIfNull(transformer);
            return transformer as PeftTransformer ?? throw new NotSupportedException($"The transformer is a {transformer.GetType().Name}, and none that embeds.");
        }

        private static PeftHost Host(string name)
        {
            var context = new MLContext();
            context.VisionLanguage();
            return new PeftHost(context, name);
        }
    }
}

namespace Microsoft.Extensions.DependencyInjection
{
    /// <summary>Registers models of pictures and texts as services.</summary>
    public static class ClipServiceCollectionExtensions
    {
        /// <summary>
        /// Registers a model's towers as the one generator of embeddings of texts and the one of pictures, whose vectors lie in one space; each is opened
        /// when it is first asked for.
        /// </summary>
        /// <param name="services">The services.</param>
        /// <param name="model">The folder of a CLIP.</param>
        /// <returns>The services.</returns>
        public static IServiceCollection AddClipEmbeddingGenerators(this IServiceCollection services, string model)
        {
            ArgumentNullException.ThrowIfNull(services);
            ArgumentException.ThrowIfNullOrWhiteSpace(model);
            return services
                .AddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(_ => ClipEmbeddingGenerators.ForTexts(new() { BaseModel = model }))
                .AddSingleton<IEmbeddingGenerator<DataContent, Embedding<float>>>(_ => ClipEmbeddingGenerators.ForImages(new() { BaseModel = model }));
        }
    }
}
