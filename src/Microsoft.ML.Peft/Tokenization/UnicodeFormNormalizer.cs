using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>NFC, NFD, NFKC or NFKD, cluster by cluster, so that each result character keeps its place in the text.</summary>
internal sealed class UnicodeFormNormalizer : INormalizer
{
    private readonly NormalizationForm _form;

    public UnicodeFormNormalizer(NormalizationForm form)
    {
        // Without ICU .NET may return the text as it is, and every accented word would silently become another.
        if ("\u00e9".Normalize(NormalizationForm.FormD).Length == 1)
        {
            throw new NotSupportedException(
                "This tokenizer needs Unicode normalisation, which .NET lacks in globalization-invariant mode; install ICU or leave that mode.");
        }
        _form = form;
    }

    public AlignedText Apply(AlignedText text)
    {
        string characters = text.Text;
        if (Ascii.IsValid(characters) || characters.IsNormalized(_form))
        {
            return text;
        }
        AlignedBuilder builder = new(text);
        for (int start = 0; start < characters.Length;)
        {
            int end = ClusterEnd(characters, start);
            AddCluster(builder, characters, start, end);
            start = end;
        }
        return builder.Build();
    }

    private void AddCluster(AlignedBuilder builder, string characters, int start, int end)
    {
        if (end == start + 1 && characters[start] < 128)
        {
            builder.Keep(start);
            return;
        }
        string cluster = characters[start..end];
        if (cluster.IsNormalized(_form))
        {
            builder.Keep(start, end);
        }
        else
        {
            builder.Add(cluster.Normalize(_form), start, end);
        }
    }

    private static int ClusterEnd(string text, int start)
    {
        int end = start + Characters.At(text, start).Utf16SequenceLength;
        while (end < text.Length)
        {
            Rune next = Characters.At(text, end);
            if (!Characters.IsMark(next) && !Composes(next))
            {
                break;
            }
            end += next.Utf16SequenceLength;
        }
        return end;
    }

    // Letters that nevertheless join the one before: Hangul vowels and finals, half-width voicing marks.
    private static bool Composes(Rune rune) => rune.Value is (>= 0x1160 and <= 0x11FF) or 0xFF9E or 0xFF9F;
}
