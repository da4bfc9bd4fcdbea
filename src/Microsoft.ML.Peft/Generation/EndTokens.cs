using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Generation;

/// <summary>Which tokens a model is taught to end with. Whatever is taught stops it too.</summary>
internal static class EndTokens
{
    /// <summary>All that a model may have been taught to end with.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="folder">What the model's folder says; null for nothing.</param>
    /// <param name="template">How it reads chats; null where it does not.</param>
    public static IEnumerable<int> Taught(TextTokenizer tokenizer, GenerationOptions? folder, ChatTemplate? template) =>
        new[] { OfText(tokenizer, folder), template is null ? null : OfTurn(template, tokenizer) }.OfType<int>();

    /// <summary>What stands behind a text: the tokenizer's end token, or the first of the folder's where it has none; null for none.</summary>
    public static int? OfText(TextTokenizer tokenizer, GenerationOptions? folder) =>
        tokenizer.EosId ?? (folder?.EosTokenIds is [int first, ..] ? first : null);

    /// <summary>What stands behind an assistant's words in a chat: the first special token there; null for none.</summary>
    public static int? OfTurn(ChatTemplate template, TextTokenizer tokenizer)
    {
        const string Words = "It is.";
        try
        {
            RenderedChat chat = template.RenderWithSpans([new ChatTurn("user", "Is it?"), new ChatTurn("assistant", Words)]);
            string said = string.Concat(chat.Assistant.Select(span => chat.Text[span.Start..span.End]));
            int words = said.IndexOf(Words, StringComparison.Ordinal);
            string behind = words < 0 ? said : said[(words + Words.Length)..];
            return tokenizer.Encode(behind, addSpecialTokens: false).Ids.Cast<int?>().FirstOrDefault(id => tokenizer.IsSpecial(id!.Value));
        }
        catch (ChatTemplateException)
        {
            // A template that does not take such a chat says nothing about ends.
            return null;
        }
    }
}
