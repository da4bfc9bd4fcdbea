using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace ChatServer;

/// <summary>What a client of OpenAI's <c>/v1/chat/completions</c> sends. A field that is not here is refused rather than ignored.</summary>
internal sealed record CompletionRequest
{
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public required string Model { get; init; }

    public required IReadOnlyList<CompletionMessage> Messages { get; init; }

    public bool Stream { get; init; }

    public CompletionStreamOptions? StreamOptions { get; init; }

    public int? MaxTokens { get; init; }

    public int? MaxCompletionTokens { get; init; }

    public float? Temperature { get; init; }

    public float? TopP { get; init; }

    public long? Seed { get; init; }

    public float? FrequencyPenalty { get; init; }

    public float? PresencePenalty { get; init; }

    /// <summary>A text or several.</summary>
    public JsonElement? Stop { get; init; }

    public int? N { get; init; }

    /// <summary>Who asks, for the provider's records; there are none here.</summary>
    public string? User { get; init; }

    /// <param name="client">Has adapters, which the model's name may choose.</param>
    /// <exception cref="ArgumentException">A value is not known.</exception>
    public ChatOptions ToOptions(IChatClient client)
    {
        if (N is not (null or 1))
            throw new ArgumentException($"'n' is {N}: one answer a request.");
        var adapters = (client.GetService(typeof(Microsoft.ML.Peft.PeftChatClient)) as Microsoft.ML.Peft.PeftChatClient)?.Adapters ?? [];
        bool isAdapter = adapters.Contains(Model);
        return new ChatOptions
        {
            ModelId = isAdapter ? null : Model,
            AdditionalProperties = isAdapter ? new() { ["adapter"] = Model } : null,
            MaxOutputTokens = MaxCompletionTokens ?? MaxTokens,
            Temperature = Temperature,
            TopP = TopP,
            Seed = Seed,
            FrequencyPenalty = FrequencyPenalty,
            PresencePenalty = PresencePenalty,
            StopSequences = Stops(),
        };
    }

    private List<string>? Stops() => Stop switch
    {
        null or { ValueKind: JsonValueKind.Null } => null,
        { ValueKind: JsonValueKind.String } one => [one.GetString()!],
        { ValueKind: JsonValueKind.Array } several => several.Deserialize<List<string>>(),
        { } other => throw new ArgumentException($"'stop' is {other.ValueKind}; expected a text or several."),
    };
}

/// <summary>Whether a stream ends with what it took.</summary>
internal sealed record CompletionStreamOptions(bool IncludeUsage);

/// <summary>A message: its content is a text, or parts of which this server takes texts.</summary>
internal sealed record CompletionMessage(string Role, JsonElement? Content, string? Name)
{
    public ChatMessage ToMessage() => new(new ChatRole(Role == "developer" ? "system" : Role), Text()) { AuthorName = Name };

    private string Text() => Content switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        { ValueKind: JsonValueKind.Array } parts => string.Concat(parts.EnumerateArray().Select(Part)),
        _ => throw new ArgumentException($"A message of role '{Role}' has no text."),
    };

    private static string Part(JsonElement part) =>
        part.ValueKind == JsonValueKind.Object && part.TryGetProperty("text", out JsonElement text) && text.ValueKind == JsonValueKind.String
            ? text.GetString()!
            : throw new ArgumentException($"Content {part} is no text; this server reads texts only.");
}
