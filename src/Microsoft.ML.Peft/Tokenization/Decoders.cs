using System.Globalization;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>A step on the way from tokens to text; the text is what the last step leaves, put together.</summary>
internal interface IDecoder
{
    List<string> Decode(List<string> tokens);
}

internal sealed class DecoderSequence(IReadOnlyList<IDecoder> steps) : IDecoder
{
    public List<string> Decode(List<string> tokens) => steps.Aggregate(tokens, (current, step) => step.Decode(current));
}

internal sealed class WordPieceDecoder(string prefix, bool cleanUp) : IDecoder
{
    private static readonly (string From, string To)[] Contractions =
    [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
        (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ];

    public List<string> Decode(List<string> tokens)
    {
        List<string> result = new(tokens.Count);
        for (int i = 0; i < tokens.Count; i++)
        {
            string token = tokens[i];
            if (i > 0)
            {
                token = token.StartsWith(prefix, StringComparison.Ordinal) ? token[prefix.Length..] : " " + token;
            }
            result.Add(cleanUp ? CleanUp(token) : token);
        }
        return result;
    }

    private static string CleanUp(string token) =>
        Contractions.Aggregate(token, (current, pair) => current.Replace(pair.From, pair.To, StringComparison.Ordinal));
}

internal sealed class ByteLevelDecoder : IDecoder
{
    public List<string> Decode(List<string> tokens) =>
        [System.Text.Encoding.UTF8.GetString([.. tokens.SelectMany(ByteAlphabet.Bytes)])];

    /// <summary>The decoder of a model whose words end in a suffix, as CLIP's: it becomes a space once the bytes are text.</summary>
    public static IDecoder WithSuffix(string suffix) => suffix.Length == 0
        ? new ByteLevelDecoder()
        : new DecoderSequence(
        [
            new ByteLevelDecoder(),
            new ReplaceDecoder(new LiteralPattern(suffix), " "),
            new StripDecoder(' ', int.MaxValue, int.MaxValue),
        ]);
}

/// <summary>For models whose words end in a suffix: it becomes the space between words.</summary>
internal sealed class EndOfWordDecoder(string suffix) : IDecoder
{
    public List<string> Decode(List<string> tokens) =>
        [.. tokens.Select((token, i) => token.Replace(suffix, i + 1 < tokens.Count ? " " : "", StringComparison.Ordinal))];
}

internal sealed class MetaspaceDecoder(char mark, bool prepends) : IDecoder
{
    public List<string> Decode(List<string> tokens) =>
        [.. tokens.Select((token, i) => (i == 0 && prepends && token.StartsWith(mark) ? token[1..] : token).Replace(mark, ' '))];
}

internal sealed class ReplaceDecoder(IPattern pattern, string content) : IDecoder
{
    public List<string> Decode(List<string> tokens) => [.. tokens.Select(Replace)];

    private string Replace(string token) =>
        new ReplaceNormalizer(pattern, content).Apply(new AlignedText(token)).Text;
}

internal sealed class FuseDecoder : IDecoder
{
    public List<string> Decode(List<string> tokens) => [string.Concat(tokens)];
}

internal sealed class StripDecoder(char content, int start, int stop) : IDecoder
{
    public List<string> Decode(List<string> tokens) => [.. tokens.Select(Strip)];

    private string Strip(string token)
    {
        int from = 0, to = token.Length;
        while (from < start && from < to && token[from] == content)
        {
            from++;
        }
        while (token.Length - to < stop && to > from && token[to - 1] == content)
        {
            to--;
        }
        return token[from..to];
    }
}

/// <summary>Runs of <c>&lt;0xNN&gt;</c> become the text they spell, or one replacement character each if they spell none.</summary>
internal sealed class ByteFallbackDecoder : IDecoder
{
    private static readonly System.Text.UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    public static bool TryByte(string token, out byte value)
    {
        value = 0;
        return token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }

    public List<string> Decode(List<string> tokens)
    {
        List<string> result = new(tokens.Count);
        List<byte> run = [];
        foreach (string token in tokens)
        {
            if (TryByte(token, out byte value))
            {
                run.Add(value);
                continue;
            }
            Flush(run, result);
            result.Add(token);
        }
        Flush(run, result);
        return result;
    }

    private static void Flush(List<byte> run, List<string> result)
    {
        if (run.Count == 0)
        {
            return;
        }
        try
        {
            result.Add(Strict.GetString([.. run]));
        }
        catch (System.Text.DecoderFallbackException)
        {
            result.Add(new string('\uFFFD', run.Count));
        }
        run.Clear();
    }
}
