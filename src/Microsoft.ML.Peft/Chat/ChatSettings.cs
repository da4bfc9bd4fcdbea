using Microsoft.Extensions.AI;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Generation;

namespace Microsoft.ML.Peft.Chat;

/// <summary>What a request's <see cref="ChatOptions"/> come to; what cannot be honoured is refused by name.</summary>
internal static class ChatSettings
{
    /// <summary>The key of <see cref="ChatOptions.AdditionalProperties"/> that chooses the adapter.</summary>
    public const string AdapterKey = "adapter";

    /// <param name="options">The request's.</param>
    /// <param name="folder">What the model's folder says.</param>
    /// <param name="taught">What the model was taught to end with.</param>
    /// <param name="positions">The model's: a chat that nothing limits may fill them.</param>
    /// <param name="client">The client, for the options' own factory.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="NotSupportedException">An option cannot be honoured.</exception>
    public static GenerationSettings Resolve(
        ChatOptions? options, GenerationOptions folder, IEnumerable<int> taught, int positions, IChatClient client)
    {
        GenerationOptions own = Own(options, client);
        if (options is not null)
        {
            CheckSupported(options);
            Fill(own, options);
        }
        if (own.MaxNewTokens is null && own.MaxLength is null && folder.MaxNewTokens is null && folder.MaxLength is null)
            own.MaxNewTokens = positions;
        // One answer a request, whatever the folder has for other uses.
        own.NumBeams ??= 1;
        own.NumReturnSequences ??= 1;
        GenerationSettings settings = GenerationSettings.Resolve(own, folder, taught);
        return settings.NumBeams == 1 && settings.NumReturnSequences == 1 ? settings : throw new NotSupportedException(
            $"A chat's answer is one text written token by token: {nameof(own.NumBeams)} is {settings.NumBeams} and {nameof(own.NumReturnSequences)} {settings.NumReturnSequences}, and both must be 1.");
    }

    /// <summary>Which adapter a request asks for; the active one where it says nothing.</summary>
    /// <exception cref="ArgumentException">The value is no text.</exception>
    /// <exception cref="NotSupportedException">There are other properties.</exception>
    public static AdapterChoice Adapter(ChatOptions? options)
    {
        if (options?.AdditionalProperties is not { } properties)
            return AdapterChoice.Active;
        if (properties.Keys.FirstOrDefault(key => key != AdapterKey) is { } unknown)
            throw new NotSupportedException($"{nameof(ChatOptions)}.{nameof(ChatOptions.AdditionalProperties)}['{unknown}'] is set; known is '{AdapterKey}' alone.");
        if (!properties.TryGetValue(AdapterKey, out object? value))
            return AdapterChoice.Active;
        return value switch
        {
            null => AdapterChoice.Bare,
            string name => AdapterChoice.Named(name),
            _ => throw new ArgumentException(
                $"{nameof(ChatOptions)}.{nameof(ChatOptions.AdditionalProperties)}['{AdapterKey}'] must be an adapter's name, or null for the bare base; it is a {value.GetType().Name}."),
        };
    }

    private static GenerationOptions Own(ChatOptions? options, IChatClient client) => options?.RawRepresentationFactory?.Invoke(client) switch
    {
        null => new GenerationOptions(),
        GenerationOptions own => own,
        object other => throw new NotSupportedException(
            $"{nameof(ChatOptions)}.{nameof(ChatOptions.RawRepresentationFactory)} made a {other.GetType().Name}; this client takes {nameof(GenerationOptions)}."),
    };

    private static void Fill(GenerationOptions own, ChatOptions options)
    {
        own.MaxNewTokens ??= options.MaxOutputTokens;
        own.Seed ??= options.Seed;
        own.StopStrings ??= options.StopSequences is { } stops ? [.. stops] : null;
        own.TopP ??= options.TopP;
        own.TopK ??= options.TopK;
        // By convention a temperature of 0 asks for the likeliest token.
        if (options.Temperature is 0)
            own.DoSample ??= false;
        else
            own.Temperature ??= options.Temperature;
        if (own.Temperature is not null || own.TopP is < 1 || own.TopK is > 0)
            own.DoSample ??= true;
    }

    private static void CheckSupported(ChatOptions options)
    {
#pragma warning disable MEAI001 // Options that are still experimental are refused like others.
        (string Option, bool Set, string Why)[] refused =
        [
            (nameof(options.FrequencyPenalty), options.FrequencyPenalty is not (null or 0), $"use {nameof(GenerationOptions)}.{nameof(GenerationOptions.RepetitionPenalty)} through {nameof(options.RawRepresentationFactory)}"),
            (nameof(options.PresencePenalty), options.PresencePenalty is not (null or 0), $"use {nameof(GenerationOptions)}.{nameof(GenerationOptions.RepetitionPenalty)} through {nameof(options.RawRepresentationFactory)}"),
            (nameof(options.ResponseFormat), options.ResponseFormat is not (null or ChatResponseFormatText), "answers are plain text"),
            (nameof(options.ToolMode), options.ToolMode is RequiredChatToolMode, "the model cannot be made to call a tool"),
            (nameof(options.AllowMultipleToolCalls), options.AllowMultipleToolCalls is not null, "the model decides what it calls"),
            (nameof(options.ConversationId), options.ConversationId is not null, "the client keeps no conversations: send all messages"),
            (nameof(options.Reasoning), options.Reasoning is not null, "the model has no such switch"),
            (nameof(options.AllowBackgroundResponses), options.AllowBackgroundResponses is true, "answers come as they are written"),
            (nameof(options.ContinuationToken), options.ContinuationToken is not null, "an answer cannot be taken up again"),
        ];
#pragma warning restore MEAI001
        if (refused.FirstOrDefault(option => option.Set) is { Option: { } name } found)
            throw new NotSupportedException($"{nameof(ChatOptions)}.{name} is set, which is not supported: {found.Why}.");
    }
}
