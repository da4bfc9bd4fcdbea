using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.AI;
using Microsoft.ML.Peft;

namespace ChatServer;

/// <summary>OpenAI's API as far as chats go, over any <see cref="IChatClient"/>.</summary>
public static class ChatApi
{
    /// <summary>Maps <c>/v1/chat/completions</c> and <c>/v1/models</c>.</summary>
    public static void MapChatApi(this IEndpointRouteBuilder app)
    {
        app.MapGet("/v1/models", (IChatClient client) => Results.Json(CompletionAnswer.Models(Names(client))));
        app.MapPost("/v1/chat/completions", Complete);
    }

    private static async Task Complete(HttpContext http, IChatClient client)
    {
        try
        {
            CompletionRequest request = await JsonSerializer.DeserializeAsync<CompletionRequest>(http.Request.Body, CompletionRequest.Json, http.RequestAborted)
                ?? throw new ArgumentException("The request is empty.");
            ChatMessage[] messages = [.. request.Messages.Select(message => message.ToMessage())];
            ChatOptions options = request.ToOptions(client);
            if (request.Stream)
                await Stream(http, request, client.GetStreamingResponseAsync(messages, options, http.RequestAborted));
            else
                await http.Response.WriteAsJsonAsync(CompletionAnswer.Whole(await client.GetResponseAsync(messages, options, http.RequestAborted), request.Model));
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // Nobody listens any more; the model has stopped writing.
        }
        catch (Exception failure) when (Status(failure) is { } status && !http.Response.HasStarted)
        {
            http.Response.StatusCode = status;
            await http.Response.WriteAsJsonAsync(CompletionAnswer.Error(failure.Message, status == StatusCodes.Status429TooManyRequests ? "rate_limit_error" : "invalid_request_error"));
        }
    }

    // The first piece comes before the headers: a request that is refused gets its status.
    private static async Task Stream(HttpContext http, CompletionRequest request, IAsyncEnumerable<ChatResponseUpdate> updates)
    {
        bool withUsage = request.StreamOptions?.IncludeUsage == true;
        await foreach (ChatResponseUpdate update in updates)
        {
            if (!http.Response.HasStarted)
                http.Response.ContentType = "text/event-stream";
            if (CompletionAnswer.Piece(update, request.Model, withUsage) is { } piece)
                await Send(http, JsonSerializer.Serialize(piece, CompletionRequest.Json));
        }
        await Send(http, "[DONE]");
    }

    private static async Task Send(HttpContext http, string data)
    {
        await http.Response.WriteAsync($"data: {data}\n\n", http.RequestAborted);
        await http.Response.Body.FlushAsync(http.RequestAborted);
    }

    private static IEnumerable<string> Names(IChatClient client) =>
    [
        (client.GetService(typeof(ChatClientMetadata)) as ChatClientMetadata)?.DefaultModelId ?? "model",
        .. (client.GetService(typeof(PeftChatClient)) as PeftChatClient)?.Adapters ?? [],
    ];

    private static int? Status(Exception failure) => failure switch
    {
        QueueFullException => StatusCodes.Status429TooManyRequests,
        ArgumentException or NotSupportedException or ChatTemplateException or JsonException => StatusCodes.Status400BadRequest,
        _ => null,
    };
}
