using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.ML.Peft.Chat;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Generation;

namespace Microsoft.ML.Peft;

/// <summary>
/// A decoder as a chat client. Requests that come together are answered together, in one batch over one base; each answer is
/// what it would be alone. Many threads may call it.
/// </summary>
/// <remarks>
/// The model's own chat template turns messages into a prompt, and its <c>generation_config.json</c> says how it generates where
/// <see cref="ChatOptions"/> say nothing; an answer that nothing limits may fill the model's positions. An option that cannot be
/// honoured is refused. <c>AdditionalProperties["adapter"]</c> names the adapter that answers, null the bare base; without it the active
/// one answers. An answer ends under the adapter it began with;
/// <c>RawRepresentationFactory</c> may give a <see cref="GenerationOptions"/>. Tools are shown to a model whose template reads
/// tools; its calls come as the text that it writes.
/// </remarks>
public sealed class PeftChatClient : IChatClient
{
    private readonly ChatModel _model;
    private readonly ChatScheduler _scheduler;
    private readonly ChatClientMetadata _metadata;

    /// <summary>Opens a model.</summary>
    /// <param name="model">The folder of a Hugging Face decoder, or a .gguf file.</param>
    /// <param name="options">All settings; null for the defaults.</param>
    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    /// <exception cref="NotSupportedException">The model is no decoder, or of an unknown kind.</exception>
    /// <exception cref="IOException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is malformed.</exception>
    public PeftChatClient(string model, PeftChatClientOptions? options = null)
        : this(NameOf(model), options ?? new(), given => ChatModel.Open(model, given))
    {
    }

    internal PeftChatClient(PeftTransformer transformer, PeftChatClientOptions options)
        : this(transformer.BaseName ?? "peft", options, given => ChatModel.Of(transformer, given))
    {
    }

    private PeftChatClient(string name, PeftChatClientOptions options, Func<PeftChatClientOptions, ChatModel> open)
    {
        options.Validate();
        _model = open(options);
        _metadata = new ChatClientMetadata("peft", defaultModelId: options.ModelId ?? name);
        _scheduler = new ChatScheduler(_model, options.MaxConcurrentRequests, options.MaxQueuedRequests);
    }

    /// <summary>The names of the adapters that a request may choose.</summary>
    public IReadOnlyCollection<string> Adapters => _model.Adapters;

    internal ChatScheduler Scheduler => _scheduler;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A message, an option or the adapter is not known or out of range, or the prompt leaves no room.</exception>
    /// <exception cref="NotSupportedException">A message or an option cannot be honoured.</exception>
    /// <exception cref="InvalidOperationException">The model has no chat template, or another adapter is merged into the transformer's base.</exception>
    /// <exception cref="ChatTemplateException">The chat template fails on the messages.</exception>
    /// <exception cref="QueueFullException">Too many requests wait already.</exception>
    /// <exception cref="ObjectDisposedException">The client or its transformer was disposed.</exception>
    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc/>
    /// <inheritdoc cref="GetResponseAsync" path="/exception"/>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ChatRequest request = Begin(messages, options, cancellationToken);
        string id = $"chatcmpl-{Guid.NewGuid():N}";
        DateTimeOffset now = DateTimeOffset.UtcNow;
        await foreach (TextPiece piece in request.ReadAsync(cancellationToken).ConfigureAwait(false))
            yield return Update(piece.Text.Length > 0 ? [new TextContent(piece.Text)] : [], piece.End);
        yield return Update([new UsageContent(Usage(request))], null);

        ChatResponseUpdate Update(IList<AIContent> contents, FinishReason? end) => new(ChatRole.Assistant, contents)
        {
            ResponseId = id,
            MessageId = id,
            CreatedAt = now,
            ModelId = _metadata.DefaultModelId,
            FinishReason = end is { } reason ? Reason(reason) : null,
        };
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) => Services.Find(serviceType, serviceKey, this, _metadata);

    /// <summary>Ends all requests and frees what the client owns; a transformer's model stays the transformer's.</summary>
    public void Dispose()
    {
        _scheduler.Dispose();
        _model.Dispose();
    }

    private ChatRequest Begin(IEnumerable<ChatMessage> messages, ChatOptions? options, CancellationToken token)
    {
        token.ThrowIfCancellationRequested();
        if (options?.ModelId is { } wanted && wanted != _metadata.DefaultModelId)
            throw new ArgumentException($"{nameof(ChatOptions)}.{nameof(options.ModelId)} is '{wanted}'; this client has '{_metadata.DefaultModelId}'.");
        AdapterChoice adapter = ChatSettings.Adapter(options);
        ChatFormat voice = _model.VoiceOf(adapter);
        int positions = _model.MaxLengthUnder(adapter);
        GenerationSettings settings = ChatSettings.Resolve(options, _model.Folder, voice.Ends, positions, this);
        int[] prompt = voice.Encode(Conversation.Read(messages, options));
        GenerationRow row = TextGenerator.CreateRow(prompt, voice.Tokenizer, settings, positions);
        var request = new ChatRequest(prompt, row, settings, adapter, token);
        _scheduler.Add(request);
        return request;
    }

    private static UsageDetails Usage(ChatRequest request) => new()
    {
        InputTokenCount = request.Prompt.Length,
        OutputTokenCount = request.Written,
        TotalTokenCount = request.Prompt.Length + request.Written,
    };

    private static ChatFinishReason Reason(FinishReason end) => end == FinishReason.Length ? ChatFinishReason.Length : ChatFinishReason.Stop;

    private static string NameOf(string model)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(model);
        return FolderName.Of(Path.GetFullPath(model));
    }
}
