using Microsoft.Extensions.AI;

namespace ChatServer;

/// <summary>Answers as OpenAI's API writes them.</summary>
internal static class CompletionAnswer
{
    public static object Whole(ChatResponse response, string model) => new
    {
        id = response.ResponseId,
        @object = "chat.completion",
        created = Seconds(response.CreatedAt),
        model,
        choices = new[] { new { index = 0, message = new { role = "assistant", content = response.Text }, finish_reason = response.FinishReason?.Value } },
        usage = Usage(response.Usage),
    };

    /// <summary>A piece of a stream; null for what it took, unless that is asked for.</summary>
    public static object? Piece(ChatResponseUpdate update, string model, bool withUsage)
    {
        UsageDetails? usage = update.Contents.OfType<UsageContent>().FirstOrDefault()?.Details;
        if (usage is not null && !withUsage)
            return null;
        return new
        {
            id = update.ResponseId,
            @object = "chat.completion.chunk",
            created = Seconds(update.CreatedAt),
            model,
            choices = usage is not null ? [] : new[] { new { index = 0, delta = new { role = "assistant", content = update.Text }, finish_reason = update.FinishReason?.Value } },
            usage = Usage(usage),
        };
    }

    public static object Error(string message, string type) => new { error = new { message, type } };

    public static object Models(IEnumerable<string> names) => new
    {
        @object = "list",
        data = names.Select(name => new { id = name, @object = "model", owned_by = "peft" }),
    };

    private static object? Usage(UsageDetails? usage) => usage is null ? null : new
    {
        prompt_tokens = usage.InputTokenCount,
        completion_tokens = usage.OutputTokenCount,
        total_tokens = usage.TotalTokenCount,
    };

    private static long Seconds(DateTimeOffset? time) => (time ?? DateTimeOffset.UtcNow).ToUnixTimeSeconds();
}
