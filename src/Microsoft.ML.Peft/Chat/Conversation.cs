using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Chat;

/// <summary>A request's messages and tools, as chat templates read them.</summary>
internal sealed record Conversation(IReadOnlyList<ChatTurn> Turns, JsonArray? Tools)
{
    private static readonly ChatRole[] s_roles = [ChatRole.System, ChatRole.User, ChatRole.Assistant, ChatRole.Tool];

    /// <exception cref="ArgumentException">A role is not known.</exception>
    /// <exception cref="NotSupportedException">A message holds something other than text and calls of tools, or a tool is no function.</exception>
    public static Conversation Read(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        ArgumentNullException.ThrowIfNull(messages);
        IEnumerable<ChatTurn> instructions = options?.Instructions is { Length: > 0 } text ? [new ChatTurn(ChatRole.System.Value, text)] : [];
        AITool[] tools = options?.ToolMode is NoneChatToolMode ? [] : [.. options?.Tools ?? []];
        return new Conversation([.. instructions, .. messages.SelectMany(Turn)], tools.Length == 0 ? null : [.. tools.Select(Tool)]);
    }

    /// <exception cref="NotSupportedException">There are tools, of which the template does not tell the model.</exception>
    public void CheckTools(ChatTemplate template)
    {
        if (Tools is not null && !template.Source.Contains("tools", StringComparison.Ordinal))
            throw new NotSupportedException($"{nameof(ChatOptions)}.{nameof(ChatOptions.Tools)} are set, and the model's chat template does not read tools.");
    }

    // A message of several results is as many turns: templates show one result each.
    private static IEnumerable<ChatTurn> Turn(ChatMessage message, int index)
    {
        if (message is null)
            throw new ArgumentException($"Message {index} is null.", nameof(message));
        if (!s_roles.Contains(message.Role))
        {
            throw new ArgumentException(
                $"Message {index} has the role '{message.Role}'; known are {string.Join(", ", s_roles.Select(role => role.Value))}.", nameof(message));
        }
        if (message.Contents.FirstOrDefault(content => content is not (TextContent or FunctionCallContent or FunctionResultContent)) is { } other)
            throw new NotSupportedException($"Message {index} holds {Describe(other)}; this model reads text only.");
        FunctionResultContent[] results = [.. message.Contents.OfType<FunctionResultContent>()];
        return results.Length == 0 ? [new ChatTurn(Fields(message))] : results.Select(Result);
    }

    private static JsonObject Fields(ChatMessage message)
    {
        var fields = new JsonObject { ["role"] = message.Role.Value, ["content"] = message.Text };
        FunctionCallContent[] calls = [.. message.Contents.OfType<FunctionCallContent>()];
        if (message.AuthorName is { } name)
            fields["name"] = name;
        if (calls.Length > 0)
            fields["tool_calls"] = new JsonArray([.. calls.Select(Call)]);
        return fields;
    }

    private static JsonObject Call(FunctionCallContent call) => new()
    {
        ["id"] = call.CallId,
        ["type"] = "function",
        ["function"] = new JsonObject { ["name"] = call.Name, ["arguments"] = Node(call.Arguments) },
    };

    private static ChatTurn Result(FunctionResultContent result) => new(new JsonObject
    {
        ["role"] = ChatRole.Tool.Value,
        ["tool_call_id"] = result.CallId,
        ["content"] = result.Result as string ?? Node(result.Result)?.ToJsonString() ?? "",
    });

    private static JsonObject Tool(AITool tool) => tool is AIFunctionDeclaration function
        ? new JsonObject
        {
            ["type"] = "function",
            ["function"] = new JsonObject
            {
                ["name"] = function.Name,
                ["description"] = function.Description,
                ["parameters"] = Node(function.JsonSchema),
            },
        }
        : throw new NotSupportedException($"Tool '{tool.Name}' is a {tool.GetType().Name}; only functions can be offered to this model.");

    private static JsonNode? Node(object? value) => JsonSerializer.SerializeToNode(value, AIJsonUtilities.DefaultOptions);

    private static string Describe(AIContent content) => content is DataContent data ? $"data of type '{data.MediaType}'" : $"a {content.GetType().Name}";
}
