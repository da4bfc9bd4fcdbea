using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Chat;

/// <summary>How a model reads a conversation: an adapter may bring a tokenizer with tokens of its own.</summary>
/// <param name="Tokenizer">The adapter's tokenizer, or the base's.</param>
/// <param name="GivenTemplate">The caller's template; null for the tokenizer's.</param>
internal sealed record ChatFormat(TextTokenizer Tokenizer, ChatTemplate? GivenTemplate)
{
    private int[]? _ends;

    /// <exception cref="InvalidOperationException">There is no template.</exception>
    public ChatTemplate Template => GivenTemplate ?? Tokenizer.ChatTemplate ?? throw new InvalidOperationException(
        $"The model has no chat template, so it does not say how it was taught to read chats; set {nameof(PeftChatClientOptions)}.{nameof(PeftChatClientOptions.ChatTemplate)}.");

    /// <summary>What the model was taught to end an answer with.</summary>
    /// <exception cref="InvalidOperationException">There is no template.</exception>
    public IReadOnlyList<int> Ends => _ends ??= [.. EndTokens.Taught(Tokenizer, folder: null, Template)];

    /// <summary>The prompt for the assistant's next message.</summary>
    /// <exception cref="InvalidOperationException">There is no template.</exception>
    /// <exception cref="ChatTemplateException">The template fails on this conversation.</exception>
    public int[] Encode(Conversation conversation)
    {
        conversation.CheckTools(Template);
        // The template writes the special tokens itself.
        return Tokenizer.Encode(Template.Render(conversation.Turns, addGenerationPrompt: true, conversation.Tools), addSpecialTokens: false).Ids;
    }
}
