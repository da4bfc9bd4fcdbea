using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Generation;

/// <summary>Fills the blanks of texts, in each text one after another, the texts side by side.</summary>
internal static class BlankFilling
{
    /// <param name="texts">The texts, into which nothing was written yet.</param>
    /// <param name="blanks">The positions of each text's blanks among its tokens, in the order in which they are filled.</param>
    /// <param name="start">The token that a piece begins with.</param>
    /// <param name="settings">How to generate.</param>
    /// <param name="tokenizer">Needed for stop strings alone.</param>
    /// <param name="names">Token ids that name each text's draws; null where nothing is drawn.</param>
    /// <param name="token">Ends it before the next token.</param>
    /// <returns>For each text its pieces, the best of each.</returns>
    public static IReadOnlyList<GeneratedSequence[]> Fill(
        BlankTexts texts, IReadOnlyList<int[]> blanks, int start, GenerationSettings settings, TextTokenizer? tokenizer = null, IReadOnlyList<int[]>? names = null,
        CancellationToken token = default)
    {
        var pieces = new List<GeneratedSequence>[blanks.Count];
        int[] live = [.. Enumerable.Range(0, blanks.Count)];
        Array.ForEach(live, text => pieces[text] = []);
        for (int turn = 0; ; turn++)
        {
            int[] left = [.. live.Where(text => blanks[text].Length > turn)];
            if (left.Length == 0)
                return [.. pieces.Select(found => found.ToArray())];
            if (left.Length < live.Length)
                texts.Keep([.. left.Select(text => (long)Array.IndexOf(live, text))]);
            live = left;
            using IDecodingSession session = texts.Open([.. live.Select(text => blanks[text][turn])]);
            var found = TextGenerator.Generate(
                session, [.. live.Select(_ => new[] { start })], settings, tokenizer, names is null ? null : [.. live.Select(text => names[text].Append(turn).ToArray())], token);
            for (int i = 0; i < live.Length; i++)
                pieces[live[i]].Add(found[i][0]);
            // What ended a piece the model has never read: an end token, or the last that there was room for.
            texts.Add([.. found.Select(sequences => sequences[0].Ids[..^1])]);
        }
    }

    /// <summary>The same of one text without beams, whose pieces are told as they come.</summary>
    /// <param name="texts">The text, into which nothing was written yet.</param>
    /// <param name="blanks">The positions of its blanks among its tokens, in the order in which they are filled.</param>
    /// <param name="start">The token that a piece begins with.</param>
    /// <param name="settings">How to generate.</param>
    /// <param name="tokenizer">Makes text of tokens.</param>
    /// <param name="text">The text's tokens, which name its draws too.</param>
    /// <param name="write">Is told of the blank by its number, and of its text.</param>
    /// <param name="token">Ends it before the next token.</param>
    public static void Stream(
        BlankTexts texts, int[] blanks, int start, GenerationSettings settings, TextTokenizer tokenizer, int[] text, Action<int, TextPiece> write, CancellationToken token)
    {
        int[]? earlier = null;
        for (int turn = 0; turn < blanks.Length; turn++)
        {
            int blank = turn;
            using IDecodingSession session = texts.Open([blanks[turn]]);
            GenerationRow row = TextGenerator.CreateRow([start], tokenizer, settings, session.MaxLength, [.. text, turn], Before(text, blanks, turn, earlier, tokenizer));
            TextGenerator.Write(session, [start], row, settings, piece => write(blank, piece), token);
            earlier = row.Result().Ids;
            texts.Add([earlier[..^1]]);
        }
    }

    /// <summary>The token behind which a piece begins: whether its first token begins a word, and with white space, its text alone does not say. Null where no word stands there.</summary>
    /// <param name="text">The text's tokens.</param>
    /// <param name="blanks">The positions of its blanks among them.</param>
    /// <param name="turn">Which blank it fills.</param>
    /// <param name="earlier">The piece before, which may stand right before it; null for the first.</param>
    /// <param name="tokenizer">Knows which tokens are no words.</param>
    public static int? Before(int[] text, int[] blanks, int turn, int[]? earlier, TextTokenizer tokenizer)
    {
        int at = blanks[turn] - 1;
        int[] before = turn > 0 && blanks[turn - 1] == at ? earlier ?? [] : at >= 0 ? [text[at]] : [];
        int last = Array.FindLastIndex(before, id => !tokenizer.IsSpecial(id));
        return last < 0 ? null : before[last];
    }

    /// <summary>A piece's own tokens, without an end.</summary>
    public static int[] TokensOf(GeneratedSequence piece) => piece.End == FinishReason.EndToken ? piece.Ids[..^1] : piece.Ids;
}
