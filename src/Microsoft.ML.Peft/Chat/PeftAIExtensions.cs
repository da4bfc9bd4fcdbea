using Microsoft.Extensions.AI;
using Microsoft.ML.Peft;

namespace Microsoft.ML.Peft
{
    /// <summary>A transformer's model through the interfaces of Microsoft.Extensions.AI.</summary>
    public static class PeftTransformerExtensions
    {
        /// <summary>The transformer's decoder as a chat client, under what it was taught.</summary>
        /// <param name="transformer">A model of language: the answer of a task that writes.</param>
        /// <param name="options">All settings; null for the defaults.</param>
        /// <returns>The client; disposing it leaves the transformer as it is.</returns>
        /// <exception cref="NotSupportedException">The transformer's model does not write.</exception>
        /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
        /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
        public static PeftChatClient AsChatClient(this PeftTransformer transformer, PeftChatClientOptions? options = null)
        {
            ArgumentNullException.ThrowIfNull(transformer);
            return new PeftChatClient(transformer, options ?? new());
        }

        /// <summary>The transformer as a generator of embeddings.</summary>
        /// <param name="transformer">A model that embeds texts.</param>
        /// <returns>The generator; disposing it leaves the transformer as it is.</returns>
        /// <exception cref="NotSupportedException">The transformer does not embed texts.</exception>
        /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
        public static PeftEmbeddingGenerator AsEmbeddingGenerator(this PeftTransformer transformer)
        {
            ArgumentNullException.ThrowIfNull(transformer);
            return new PeftEmbeddingGenerator(transformer, owned: false);
        }
    }
}

namespace Microsoft.Extensions.DependencyInjection
{
    /// <summary>Registers models as services.</summary>
    public static class PeftServiceCollectionExtensions
    {
        /// <summary>Registers a decoder as the one <see cref="IChatClient"/>; it is opened when it is first asked for.</summary>
        /// <param name="services">The services.</param>
        /// <param name="model">The folder of a Hugging Face decoder, or a .gguf file.</param>
        /// <param name="configure">Changes the settings; null for the defaults.</param>
        /// <returns>The services.</returns>
        public static IServiceCollection AddPeftChatClient(this IServiceCollection services, string model, Action<PeftChatClientOptions>? configure = null)
        {
            ArgumentNullException.ThrowIfNull(services);
            ArgumentException.ThrowIfNullOrWhiteSpace(model);
            var options = new PeftChatClientOptions();
            configure?.Invoke(options);
            return services.AddSingleton<IChatClient>(_ => new PeftChatClient(model, options));
        }

        /// <summary>Registers a model as the one generator of embeddings; it is opened when it is first asked for.</summary>
        /// <param name="services">The services.</param>
        /// <param name="model">The folder of a Hugging Face model, or a .gguf file.</param>
        /// <param name="configure">Changes the settings; null for the defaults.</param>
        /// <returns>The services.</returns>
        public static IServiceCollection AddPeftEmbeddingGenerator(
            this IServiceCollection services, string model, Action<TextEmbedder.Options>? configure = null)
        {
            ArgumentNullException.ThrowIfNull(services);
            var options = new TextEmbedder.Options { BaseModel = model };
            configure?.Invoke(options);
            return services.AddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(_ => new PeftEmbeddingGenerator(options));
        }
    }
}
