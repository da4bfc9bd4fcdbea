using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>A step that changes the text before it is cut, keeping track of where each character came from.</summary>
internal interface INormalizer
{
    AlignedText Apply(AlignedText text);
}

internal sealed class NormalizerSequence(IReadOnlyList<INormalizer> steps) : INormalizer
{
    public AlignedText Apply(AlignedText text) => steps.Aggregate(text, (current, step) => step.Apply(current));
}

internal sealed class LowercaseNormalizer : INormalizer
{
    public AlignedText Apply(AlignedText text)
    {
        AlignedBuilder builder = new(text);
        string characters = text.Text;
        for (int i = 0; i < characters.Length;)
        {
            i += AddLower(builder, Characters.At(characters, i), i);
        }
        return builder.Build();
    }

    /// <summary>Adds the lower case of one code point of the source and returns how many UTF-16 units it takes there.</summary>
    public static int AddLower(AlignedBuilder builder, Rune rune, int from)
    {
        int length = rune.Utf16SequenceLength;
        int end = from + length;
        if (rune.Value < 128)
        {
            builder.Add(char.ToLowerInvariant((char)rune.Value), from, end);
        }
        else if (rune.Value == 0x130)
        {
            // The one letter whose lower case is two characters, which .NET's mapping leaves alone.
            builder.Add("i\u0307", from, end);
        }
        else
        {
            Span<char> buffer = stackalloc char[2];
            int written = Rune.ToLowerInvariant(rune).EncodeToUtf16(buffer);
            builder.Add(buffer[..written], from, end);
        }
        return length;
    }
}

/// <summary>Drops characters, by code point.</summary>
internal sealed class RemovingNormalizer(Func<Rune, bool> removed) : INormalizer
{
    public AlignedText Apply(AlignedText text)
    {
        AlignedBuilder builder = new(text);
        for (int i = 0; i < text.Text.Length;)
        {
            Rune rune = Characters.At(text.Text, i);
            if (!removed(rune))
            {
                builder.Keep(i, i + rune.Utf16SequenceLength);
            }
            i += rune.Utf16SequenceLength;
        }
        return builder.Build();
    }
}

internal sealed class StripNormalizer(bool left, bool right) : INormalizer
{
    public AlignedText Apply(AlignedText text)
    {
        int start = 0, end = text.Text.Length;
        while (left && !text.Continues && start < end && char.IsWhiteSpace(text.Text[start]))
        {
            start++;
        }
        while (right && end > start && char.IsWhiteSpace(text.Text[end - 1]))
        {
            end--;
        }
        return text.Slice(start, end);
    }
}

internal sealed class PrependNormalizer(string prefix) : INormalizer
{
    public AlignedText Apply(AlignedText text)
    {
        if (text.Text.Length == 0 || text.Continues)
        {
            return text;
        }
        AlignedBuilder builder = new(text);
        builder.Add(prefix, 0, 0);
        builder.Keep(0, text.Text.Length);
        return builder.Build();
    }
}

internal sealed class ReplaceNormalizer(IPattern pattern, string content) : INormalizer
{
    public AlignedText Apply(AlignedText text)
    {
        List<Range> matches = pattern.Matches(text.Text);
        if (matches.Count == 0)
        {
            return text;
        }
        AlignedBuilder builder = new(text);
        int copied = 0;
        foreach (Range match in matches)
        {
            builder.Keep(copied, match.Start.Value);
            builder.Add(content, match.Start.Value, match.End.Value);
            copied = match.End.Value;
        }
        builder.Keep(copied, text.Text.Length);
        return builder.Build();
    }
}
