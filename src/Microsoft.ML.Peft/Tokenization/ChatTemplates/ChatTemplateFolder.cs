using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>Finds a model's template: chat_template.jinja, else chat_template of tokenizer_config.json; and its special tokens.</summary>
internal static class ChatTemplateFolder
{
    private const string DefaultName = "default";

    public static ChatTemplate? Load(string folder)
    {
        try
        {
            TokenizerConfig config = TokenizerConfig.In(folder);
            return Of(config, config.Token);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"{folder}: the chat template cannot be read: {exception.Message}", exception);
        }
        catch (ChatTemplateException exception)
        {
            throw new ChatTemplateException($"{folder}: {exception.Reason}", exception.Line);
        }
    }

    /// <param name="config">Where the template stands.</param>
    /// <param name="token">The special token of a role, null where it has none.</param>
    public static ChatTemplate? Of(TokenizerConfig config, Func<string, string?> token)
    {
        string? template = config.ChatTemplate is { } file ? System.Text.Encoding.UTF8.GetString(file.Read()) : Template(config["chat_template"]);
        return template is null ? null : ChatTemplate.Parse(template, SpecialTokens(token));
    }

    private static string? Template(JsonValue template)
    {
        if (template.IsNull || template.IsText)
        {
            return template.Text("") is { Length: > 0 } text ? text : null;
        }
        JsonValue[] named = [.. template.Items()];
        string[] names = [.. named.Select(item => item["name"].Text())];
        int at = Array.IndexOf(names, DefaultName);
        return at >= 0 ? named[at]["template"].Text()
            : throw template.Invalid($"expected a template named '{DefaultName}', found {string.Join(", ", names)}");
    }

    // transformers passes every special token that is set by its role.
    private static Dictionary<string, JsonNode?> SpecialTokens(Func<string, string?> token) =>
        TextTokenizer.RoleNames.Select(role => (role, Token: token(role)))
            .Where(entry => entry.Token is not null)
            .ToDictionary(entry => entry.role, entry => (JsonNode?)entry.Token);
}
