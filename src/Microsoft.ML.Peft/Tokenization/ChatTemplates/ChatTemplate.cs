using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>
/// A model's own template of a conversation, rendered as transformers' <c>apply_chat_template</c> does: Jinja in an immutable
/// sandbox with <c>trim_blocks</c> and <c>lstrip_blocks</c>, the special tokens as variables, and its own <c>tojson</c>.
/// </summary>
internal sealed class ChatTemplate
{
    private readonly Block _body;
    private readonly IReadOnlyDictionary<string, JsonNode?> _variables;

    private readonly TimeProvider _clock;

    private ChatTemplate(string source, Block body, IReadOnlyDictionary<string, JsonNode?> variables, TimeProvider clock) =>
        (Source, _body, _variables, _clock) = (source, body, variables, clock);

    /// <summary>The template's text.</summary>
    public string Source { get; }

    /// <param name="template">The template's text, as a folder or a GGUF file's metadata holds it.</param>
    /// <param name="variables">What it sees in every rendering, above all special tokens by name such as <c>bos_token</c>.</param>
    /// <param name="clock">What <c>strftime_now</c> reads.</param>
    public static ChatTemplate Parse(string template, IReadOnlyDictionary<string, JsonNode?>? variables = null, TimeProvider? clock = null)
    {
        ArgumentNullException.ThrowIfNull(template);
        return new ChatTemplate(template, Parser.Parse(template), variables ?? new Dictionary<string, JsonNode?>(), clock ?? TimeProvider.System);
    }

    /// <summary>The template of a model's folder, null where it has none.</summary>
    public static ChatTemplate? Load(string modelFolder) => ChatTemplateFolder.Load(modelFolder);

    /// <summary>The text of a conversation.</summary>
    public string Render(
        IReadOnlyList<ChatTurn> messages, bool addGenerationPrompt, JsonNode? tools = null, IReadOnlyDictionary<string, JsonNode?>? extra = null) =>
        RenderMarked(messages, addGenerationPrompt, tools, extra).Text;

    /// <summary>The text of a conversation and what of it the assistant wrote.</summary>
    public RenderedChat RenderWithSpans(
        IReadOnlyList<ChatTurn> messages, JsonNode? tools = null, IReadOnlyDictionary<string, JsonNode?>? extra = null) =>
        AssistantSpans.Find(messages, (turns, prompt) => RenderMarked(turns, prompt, tools, extra));

    /// <summary>The text, with what the template itself marks by <c>{% generation %}</c>.</summary>
    private RenderedChat RenderMarked(
        IReadOnlyList<ChatTurn> messages, bool addGenerationPrompt, JsonNode? tools, IReadOnlyDictionary<string, JsonNode?>? extra)
    {
        if (messages.Count == 0)
        {
            throw new ChatTemplateException("a chat template cannot be applied to an empty conversation; expected one message at least");
        }
        Scope scope = new();
        foreach ((string name, JsonNode? value) in _variables)
        {
            scope.Set(name, JsonReader.Read(value));
        }
        scope.Set("messages", new ListValue([.. messages.Select(message => JsonReader.Read(message.Fields))]));
        scope.Set("tools", JsonReader.Read(tools));
        scope.Set("documents", NoneValue.Instance);
        scope.Set("add_generation_prompt", BoolValue.Of(addGenerationPrompt));
        foreach ((string name, JsonNode? value) in extra ?? new Dictionary<string, JsonNode?>())
        {
            scope.Set(name, JsonReader.Read(value));
        }
        return Run(scope);
    }

    private RenderedChat Run(Scope scope)
    {
        Rendering rendering = new(_clock);
        TextBuilder output = rendering.Main = new TextBuilder(rendering);
        try
        {
            _body.Execute(new Frame(scope, output, rendering));
        }
        catch (ChatTemplateException exception) when (exception.Line == 0)
        {
            throw new ChatTemplateException(exception.Reason, rendering.Line);
        }
        return new RenderedChat(output.ToString(), rendering.Generated);
    }
}

/// <summary>One message of a conversation: a role, a content, and whatever else its template reads, such as <c>tool_calls</c>.</summary>
internal sealed record ChatTurn(JsonObject Fields)
{
    public ChatTurn(string role, string content)
        : this(new JsonObject { ["role"] = role, ["content"] = content })
    {
    }

    /// <summary>The role, null where the message has none that is a string.</summary>
    public string? Role => TextOf("role");

    /// <summary>The content where it is plain text.</summary>
    public string? Content => TextOf("content");

    private string? TextOf(string field) => Fields[field] is { } node && node.GetValueKind() == JsonValueKind.String ? node.GetValue<string>() : null;
}

/// <summary>A rendered conversation and the parts of it that the assistant wrote.</summary>
internal sealed record RenderedChat(string Text, IReadOnlyList<TextSpan> Assistant);
