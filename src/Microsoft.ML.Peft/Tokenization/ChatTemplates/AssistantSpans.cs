namespace Microsoft.ML.Peft.Tokenization.ChatTemplates;

/// <summary>
/// Which characters of a rendered conversation the assistant wrote. A template that marks them itself is believed; otherwise a
/// turn starts where the prompt for it ends and ends where the conversation up to it does, provided that the longer text
/// starts with both.
/// </summary>
internal static class AssistantSpans
{
    private const string Assistant = "assistant";

    public static RenderedChat Find(IReadOnlyList<ChatTurn> messages, Func<IReadOnlyList<ChatTurn>, bool, RenderedChat> render)
    {
        RenderedChat whole = render(messages, false);
        if (whole.Assistant.Count > 0)
        {
            return whole;
        }
        List<TextSpan> spans = [];
        for (int i = 0; i < messages.Count; i++)
        {
            if (messages[i].Role == Assistant)
            {
                spans.Add(Turn(messages, i, whole.Text, render));
            }
        }
        return whole with { Assistant = spans };
    }

    private static TextSpan Turn(
        IReadOnlyList<ChatTurn> messages, int index, string whole, Func<IReadOnlyList<ChatTurn>, bool, RenderedChat> render)
    {
        string prompt = index > 0 ? render([.. messages.Take(index)], true).Text : "";
        string upTo = render([.. messages.Take(index + 1)], false).Text;
        int end = Common(upTo, whole);
        bool closesItself = end < upTo.Length;
        if (closesItself)
        {
            end = BeforeMarker(whole, end);
        }
        bool agrees = index > 0 && whole.StartsWith(prompt, StringComparison.Ordinal) && prompt.Length <= end
            && (!closesItself || HoldsContent(messages[index], whole[prompt.Length..end]));
        return agrees ? new TextSpan(prompt.Length, end) : throw new ChatTemplateException(
            $"message {index + 1}: the template renders this assistant turn differently by what surrounds it, so its characters cannot be told; "
            + "expected a template with {% generation %} blocks, or one whose text only grows with the conversation");
    }

    private static int Common(string a, string b) => a.AsSpan().CommonPrefixLength(b);

    // Some templates close the text with a token of their own (Phi's end of text). The texts then part within two markers, behind
    // what these have in common, such as "<|".
    private static int BeforeMarker(string text, int end)
    {
        int open = end > 0 ? text.LastIndexOf('<', end - 1) : -1;
        return open >= 0 && text.IndexOf('>', open, end - open) < 0 ? open : end;
    }

    private static bool HoldsContent(ChatTurn turn, string span) =>
        turn.Content is { } content && span.Contains(content.Trim(), StringComparison.Ordinal);
}
