using System.Globalization;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>What a part of a pattern stands for.</summary>
internal enum ClozePartKind
{
    /// <summary>Its own text.</summary>
    Literal,

    /// <summary>The text of a column.</summary>
    Column,

    /// <summary>The gap that the model fills.</summary>
    Mask,

    /// <summary>Virtual tokens that a tuner fills.</summary>
    Prompt,
}

/// <summary>A part of a pattern.</summary>
/// <param name="Kind">What it stands for.</param>
/// <param name="Text">The text, or the column's name; empty for others.</param>
/// <param name="Count">Virtual tokens; 0 for others.</param>
internal readonly record struct ClozePart(ClozePartKind Kind, string Text, int Count = 0);

/// <summary>A text with columns, a gap and virtual tokens in braces: <c>{prompt:3} {Text} It was {mask}.</c>; two braces stand for one.</summary>
/// <param name="Source">The pattern as it was written.</param>
/// <param name="Parts">Its parts in order.</param>
internal sealed record ClozePattern(string Source, IReadOnlyList<ClozePart> Parts)
{
    private const string Mask = "mask", Prompt = "prompt";

    /// <summary>The names of the columns, each once.</summary>
    public IReadOnlyList<string> Columns => [.. Parts.Where(part => part.Kind == ClozePartKind.Column).Select(part => part.Text).Distinct()];

    /// <summary>How many virtual tokens it keeps places for.</summary>
    public int VirtualTokens => Parts.Sum(part => part.Count);

    /// <summary>Whether nothing stands behind the gap.</summary>
    public bool EndsInMask => Parts is [.., { Kind: ClozePartKind.Mask }];

    /// <summary>Reads a pattern with one gap.</summary>
    /// <exception cref="ArgumentException">It has none or several, or a brace is out of place; the message says which.</exception>
    public static ClozePattern WithMask(string pattern)
    {
        ClozePattern read = Parse(pattern, "pattern");
        int masks = read.Parts.Count(part => part.Kind == ClozePartKind.Mask);
        return masks == 1 ? read : throw new ArgumentException(
            $"The pattern '{pattern}' has {(masks == 0 ? "no {mask}" : $"{masks} {{mask}}s")}: it needs one, where the model says a word.", nameof(pattern));
    }

    /// <summary>Reads what may stand in a gap: text and columns.</summary>
    /// <exception cref="ArgumentException">It has a gap or virtual tokens, says nothing, or a brace is out of place.</exception>
    public static ClozePattern Answer(string verbalizer, string label)
    {
        ClozePattern read = Parse(verbalizer, "verbalizer");
        if (read.Parts.Count == 0 || read.Parts.Any(part => part.Kind is ClozePartKind.Mask or ClozePartKind.Prompt))
            throw new ArgumentException($"The verbalizer '{verbalizer}' of the label '{label}' must be text, or columns in braces.", "verbalizers");
        return read;
    }

    private static ClozePattern Parse(string pattern, string what)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        var parts = new List<ClozePart>();
        var literal = new System.Text.StringBuilder();
        for (int i = 0; i < pattern.Length; i++)
        {
            char c = pattern[i];
            bool twice = i + 1 < pattern.Length && pattern[i + 1] == c;
            if (c is not ('{' or '}') || twice)
            {
                literal.Append(c);
                i += c is '{' or '}' ? 1 : 0;
                continue;
            }
            int end = c == '{' ? pattern.IndexOf('}', i) : -1;
            if (end < 0)
                throw new ArgumentException($"The {what} '{pattern}' has a '{c}' without the other brace, at {i}; two stand for the character itself.", what);
            if (literal.Length > 0)
                parts.Add(new(ClozePartKind.Literal, literal.ToString()));
            literal.Clear();
            parts.Add(Braced(pattern[(i + 1)..end], pattern, what));
            i = end;
        }
        if (literal.Length > 0)
            parts.Add(new(ClozePartKind.Literal, literal.ToString()));
        return new(pattern, parts);
    }

    private static ClozePart Braced(string name, string pattern, string what)
    {
        if (name == Mask)
            return new(ClozePartKind.Mask, "");
        if (name.StartsWith(Prompt + ":", StringComparison.Ordinal))
        {
            return int.TryParse(name[(Prompt.Length + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count > 0
                ? new(ClozePartKind.Prompt, "", count)
                : throw new ArgumentException($"The {what} '{pattern}' has '{{{name}}}': behind '{Prompt}:' goes the number of virtual tokens, 1 or more.", what);
        }
        return name.Trim().Length > 0 ? new(ClozePartKind.Column, name) : throw new ArgumentException($"The {what} '{pattern}' has braces without a name.", what);
    }
}
