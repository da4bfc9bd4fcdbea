using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>BERT's own clean-up: control characters, spaces, ideographs, accents and case, in that order.</summary>
internal sealed class BertNormalizer(bool clean, bool spaceIdeographs, bool stripAccents, bool lowercase) : INormalizer
{
    private readonly UnicodeFormNormalizer? _decompose = stripAccents ? new(NormalizationForm.FormD) : null;

    public AlignedText Apply(AlignedText text)
    {
        if (!Ascii.IsValid(text.Text))
        {
            text = CleanAndSpace(text);
            text = _decompose?.Apply(text) ?? text;
            return lowercase || stripAccents ? Fold(text) : text;
        }
        return FoldAscii(text);
    }

    private AlignedText FoldAscii(AlignedText text)
    {
        AlignedBuilder builder = new(text);
        for (int i = 0; i < text.Text.Length; i++)
        {
            char character = text.Text[i];
            if (clean && character < ' ' && character is not ('\t' or '\n' or '\r') || clean && character == 127)
            {
                continue;
            }
            character = clean && character < ' ' ? ' ' : character;
            builder.Add(lowercase ? char.ToLowerInvariant(character) : character, i, i + 1);
        }
        return builder.Build();
    }

    private AlignedText CleanAndSpace(AlignedText text)
    {
        AlignedBuilder builder = new(text);
        for (int i = 0; i < text.Text.Length;)
        {
            Rune rune = Characters.At(text.Text, i);
            int next = i + rune.Utf16SequenceLength;
            if (clean && Rune.IsWhiteSpace(rune) && !Characters.IsControl(rune))
            {
                builder.Add(' ', i, next);
            }
            else if (spaceIdeographs && Characters.IsIdeograph(rune))
            {
                builder.Add(' ', i, i);
                builder.Keep(i, next);
                builder.Add(' ', next, next);
            }
            else if (!clean || rune.Value != 0xFFFD && !Characters.IsControl(rune))
            {
                builder.Keep(i, next);
            }
            i = next;
        }
        return builder.Build();
    }

    private AlignedText Fold(AlignedText text)
    {
        AlignedBuilder builder = new(text);
        for (int i = 0; i < text.Text.Length;)
        {
            Rune rune = Characters.At(text.Text, i);
            int next = i + rune.Utf16SequenceLength;
            if (!stripAccents || !Characters.IsNonSpacingMark(rune))
            {
                AddFolded(builder, rune, i, next);
            }
            i = next;
        }
        return builder.Build();
    }

    private void AddFolded(AlignedBuilder builder, Rune rune, int start, int end)
    {
        if (lowercase)
        {
            LowercaseNormalizer.AddLower(builder, rune, start);
        }
        else
        {
            builder.Keep(start, end);
        }
    }
}
