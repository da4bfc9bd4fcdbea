using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation;

/// <summary>The door: prompts and a session in, tokens or text out. The session is fresh, and stays the caller's.</summary>
internal static class TextGenerator
{
    /// <param name="session">Has read nothing yet.</param>
    /// <param name="prompts">Token ids that the session reads first for each row.</param>
    /// <param name="settings">How to generate.</param>
    /// <param name="tokenizer">Needed for stop strings alone.</param>
    /// <param name="names">Token ids that name each row's draws, where its prompt does not: what an encoder reads of it.</param>
    /// <param name="token">Ends it before the next token.</param>
    /// <returns>For each prompt its sequences, the best first.</returns>
    /// <exception cref="ArgumentException">A prompt is empty or too long, or stop strings are set and there is no tokenizer.</exception>
    public static IReadOnlyList<GeneratedSequence[]> Generate(
        IDecodingSession session, IReadOnlyList<int[]> prompts, GenerationSettings settings, TextTokenizer? tokenizer = null, IReadOnlyList<int[]>? names = null,
        CancellationToken token = default)
    {
        EndRule[] ends = Prompts.Check(prompts, settings, session.MaxLength);
        if (prompts.Count == 0)
            return [];
        token.ThrowIfCancellationRequested();
        using var noGrad = no_grad();
        if (settings.NumBeams > 1)
            return new BeamSearch(session, settings).Run(prompts, [.. prompts.Zip(ends, (p, end) => new BeamGroup(p, end, settings, end.CreateText(tokenizer)))], token);

        int times = settings.NumReturnSequences;
        GenerationRow[] rows = [.. prompts.SelectMany((prompt, row) => Enumerable.Range(0, times)
            .Select(sequence => new GenerationRow(prompt, ends[row], ends[row].CreateText(tokenizer), Draws(settings, names?[row] ?? prompt, sequence))))];
        new TokenSearch(session, settings).Run(prompts, rows, token);
        return [.. rows.Select(row => row.Result()).Chunk(times)];
    }

    /// <summary>The text of one row as it comes: generated on a thread of its own, which has left the session when the enumerator is disposed.</summary>
    /// <inheritdoc cref="Generate" path="/exception"/>
    public static IAsyncEnumerable<TextPiece> StreamAsync(
        IDecodingSession session, int[] prompt, TextTokenizer tokenizer, GenerationSettings settings, CancellationToken token = default)
    {
        if (settings.NumBeams > 1 || settings.NumReturnSequences > 1)
        {
            throw new ArgumentException(
                $"A stream has one text: {nameof(settings.NumBeams)} is {settings.NumBeams} and {nameof(settings.NumReturnSequences)} {settings.NumReturnSequences}, and both must be 1.");
        }
        GenerationRow row = CreateRow(prompt, tokenizer, settings, session.MaxLength);
        return new TextChannel<TextPiece>((write, stop) => Write(session, prompt, row, settings, write, stop)).ReadAsync(token);
    }

    /// <summary>Writes one row, and tells its text as it comes.</summary>
    /// <param name="session">Has read nothing yet.</param>
    /// <param name="prompt">Token ids that the session reads first.</param>
    /// <param name="row">The row, from <see cref="CreateRow"/>.</param>
    /// <param name="settings">How to generate.</param>
    /// <param name="write">Is told of each bit of text, and of the end.</param>
    /// <param name="token">Ends it before the next token.</param>
    public static void Write(IDecodingSession session, int[] prompt, GenerationRow row, GenerationSettings settings, Action<TextPiece> write, CancellationToken token)
    {
        using var noGrad = no_grad();
        new TokenSearch(session, settings, (writer, text) =>
        {
            if (text.Length > 0 || writer.End is not null)
                write(new TextPiece(text, writer.End));
        }).Run([prompt], [row], token);
    }

    /// <summary>A row whose text is read as it comes.</summary>
    /// <exception cref="ArgumentException">The prompt is empty or too long.</exception>
    public static GenerationRow CreateRow(int[] prompt, TextTokenizer tokenizer, GenerationSettings settings, int positions, int[]? name = null, int? before = null) =>
        new(prompt, Prompts.Check([prompt], settings, positions)[0], new TextStream(tokenizer, settings.StopStrings, before), Draws(settings, name ?? prompt, 0));

    /// <summary>The text of generated tokens, without the stop string that ended them.</summary>
    /// <param name="sequence">The tokens.</param>
    /// <param name="tokenizer">Makes text of them.</param>
    /// <param name="settings">How they were generated.</param>
    /// <param name="before">The token behind which they stand; null where they begin a text.</param>
    public static string Text(GeneratedSequence sequence, TextTokenizer tokenizer, GenerationSettings settings, int? before = null)
    {
        string text = before is null ? tokenizer.Decode(sequence.Ids) : Detokenizer.TextOf(sequence.Ids, tokenizer, before);
        return sequence.End == FinishReason.StopString && TextStream.FirstStop(text, settings.StopStrings) is >= 0 and var end ? text[..end] : text;
    }

    // Named by what is read, not by the row's place: the same row says the same alone and in any batch.
    private static SplitMix64 Draws(GenerationSettings settings, int[] name, int sequence) =>
        new(settings.Seed, [sequence, .. name.Select(id => (long)id)]);
}
