using System.Buffers;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Data.BlankInfilling;

/// <summary>Cuts tokens into sentences: one ends with a token that holds a full stop, a question or exclamation mark, or the end of a line.</summary>
internal sealed class Sentences
{
    private static readonly SearchValues<char> s_ends = SearchValues.Create(".?!\n。？！…");

    // Who asks for no sentence need not look through the vocabulary.
    private readonly Lazy<HashSet<int>> _ends;

    public Sentences(IEnumerable<int> ends) => _ends = new(() => [.. ends]);

    public static Sentences Of(TextTokenizer tokenizer) =>
        new(tokenizer.Ids.Where(id => !tokenizer.IsSpecial(id) && tokenizer.Decode([id]).AsSpan().ContainsAny(s_ends)));

    /// <summary>The sentences among a text's tokens; several ends in a row are of one sentence.</summary>
    /// <param name="text">The text.</param>
    /// <param name="offset">The first token that counts.</param>
    /// <param name="end">The one behind the last.</param>
    public List<Blank> In(int[] text, int offset, int end)
    {
        var found = new List<Blank>();
        HashSet<int> ends = _ends.Value;
        int start = offset;
        for (int i = offset; i < end; i++)
        {
            if (i + 1 == end || (ends.Contains(text[i]) && !ends.Contains(text[i + 1])))
            {
                found.Add(new Blank(start, i + 1));
                start = i + 1;
            }
        }
        return found;
    }
}
