using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Generation;

/// <summary>When a row is finished: an end token, a stop string, or no room for more.</summary>
internal sealed class EndRule(GenerationSettings settings, int room)
{
    public int Room => room;

    /// <summary>A reader for stop strings, if any are asked for.</summary>
    public TextStream? CreateText(TextTokenizer? tokenizer) => settings.StopStrings.Count == 0
        ? null
        : new TextStream(tokenizer ?? throw new ArgumentException($"{nameof(settings.StopStrings)} are set, which need the model's tokenizer."), settings.StopStrings);

    /// <param name="id">The token just generated.</param>
    /// <param name="length">Generated tokens, it included.</param>
    /// <param name="text">Has taken the token; null where nobody looks at the text.</param>
    public FinishReason? Check(int id, int length, TextStream? text) =>
        settings.EosTokenIds.Contains(id) ? FinishReason.EndToken
        : text is { Stopped: true } ? FinishReason.StopString
        : length >= room ? FinishReason.Length
        : null;
}
