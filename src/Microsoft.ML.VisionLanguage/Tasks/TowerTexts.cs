using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>Texts as a tower reads them: whole, or cut where that is asked for, and with the token behind them at which it answers.</summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="maxLength">Tokens that the tower reads at most.</param>
/// <param name="truncates">Whether longer texts are cut; else they are errors.</param>
internal sealed class TowerTexts(TextTokenizer tokenizer, int maxLength, bool truncates)
{
    /// <param name="text">The text.</param>
    /// <param name="name">What it is called, for errors.</param>
    /// <exception cref="InvalidOperationException">The text is too long; the message names it.</exception>
    /// <exception cref="InvalidDataException">The tokenizer ends texts with no token of its own.</exception>
    public Example Encode(string text, string name)
    {
        Encoding encoding = tokenizer.Encode(text, null, maxLength);
        if (encoding.Truncated && !truncates)
        {
            throw new InvalidOperationException(
                $"{name} has {tokenizer.Encode(text).Length} tokens, and the model reads {maxLength} at most. {nameof(ClipTextOptions.TruncateTexts)} cuts longer texts.");
        }
        return encoding.Ids is [.., var last] && last == tokenizer.EosId ? Example.From(encoding) : throw new InvalidDataException(
            $"The tokenizer does not end texts with an end token of its own (eos_token: {(tokenizer.EosId is { } id ? $"'{tokenizer.TokenOf(id)}'" : "none")}), and the model reads them there.");
    }
}
