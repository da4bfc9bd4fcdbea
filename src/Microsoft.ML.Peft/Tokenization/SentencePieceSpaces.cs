namespace Microsoft.ML.Peft.Tokenization;

/// <summary>What SentencePiece does to spaces after its character map: trims and merges them, marks them, puts one in front.</summary>
internal sealed class SentencePieceSpaces(bool removeExtra, bool addPrefix, bool escape) : INormalizer
{
    /// <summary>Whether text behind an added token gets its space in front too, as in Hugging Face's "legacy" tokenizers.</summary>
    public bool PrefixesEverySegment { get; init; }

    public AlignedText Apply(AlignedText text)
    {
        string characters = text.Text;
        AlignedBuilder builder = new(text);
        char space = escape ? Characters.WordMark : ' ';
        int start = removeExtra && !text.Continues ? LeadingSpaces(characters) : 0;
        if (start == characters.Length)
        {
            return builder.Build();
        }
        if (addPrefix && !text.Continues && (PrefixesEverySegment || text.AtTextStart))
        {
            builder.Add(space, start, start);
        }
        for (int i = start; i < characters.Length; i++)
        {
            if (characters[i] != ' ')
            {
                builder.Keep(i);
            }
            else if (!removeExtra || i == 0 || characters[i - 1] != ' ')
            {
                builder.Add(space, i, i + 1);
            }
        }
        if (removeExtra && characters[^1] == ' ')
        {
            builder.RemoveLast();
        }
        return builder.Build();
    }

    private static int LeadingSpaces(string text)
    {
        int count = 0;
        while (count < text.Length && text[count] == ' ')
        {
            count++;
        }
        return count;
    }
}
