namespace Microsoft.ML.Peft.Generation;

/// <summary>A row that is written one token at a time, without beams.</summary>
/// <param name="prompt">The prompt's tokens.</param>
/// <param name="end">When it is finished.</param>
/// <param name="text">Reads along; null where neither stop strings nor a reader ask for it.</param>
/// <param name="draws">What it draws from; it depends on nothing but the seed, the prompt and the sequence's number.</param>
internal sealed class GenerationRow(IReadOnlyList<int> prompt, EndRule end, TextStream? text, Random draws)
{
    public TokenSequence Tokens { get; } = new(prompt);

    public FinishReason? End { get; private set; }

    public Random Draws => draws;

    /// <summary>Takes the next token.</summary>
    /// <returns>The text that may go out.</returns>
    public string Add(int id)
    {
        Tokens.Add(id);
        string piece = text?.Add(id) ?? "";
        End = end.Check(id, Tokens.GeneratedLength, text);
        return End is null ? piece : piece + text?.Finish();
    }

    public GeneratedSequence Result() => new(Tokens.Generated(), null, End!.Value);
}
