namespace Microsoft.ML.Peft.Metrics;

/// <summary>A labelled run of words.</summary>
/// <param name="Type">The label without what stands before its hyphen.</param>
/// <param name="First">Its first word.</param>
/// <param name="End">The word behind its last.</param>
internal readonly record struct BioSpan(string Type, int First, int End)
{
    // conlleval's name of the one type where labels are letters alone.
    private const string NoType = "_";

    /// <summary>
    /// Reads spans from BIO or IOBES labels as conlleval and seqeval do: B- and S- start one, and so do I- and E- where none of
    /// their type is open; E-, S- and any label that goes on with nothing end it.
    /// </summary>
    public static IReadOnlyList<BioSpan> Read(IReadOnlyList<string> labels)
    {
        var spans = new List<BioSpan>();
        for (int i = 0; i < labels.Count;)
        {
            if (TypeOf(labels[i]) is not { } type)
            {
                i++;
                continue;
            }
            int first = i++;
            while (i < labels.Count && GoesOn(labels[i - 1], labels[i]) && TypeOf(labels[i]) == type)
                i++;
            spans.Add(new BioSpan(type, first, i));
        }
        return spans;
    }

    public override string ToString() => FormattableString.Invariant($"{Type}:{First}-{End}");

    private static bool GoesOn(string before, string label) => before is ['B' or 'I', ..] && label is ['I' or 'E', ..];

    private static string? TypeOf(string label) => label switch
    {
        ['B' or 'I' or 'E' or 'S', '-', .. var type] => type,
        ['B' or 'I' or 'E' or 'S'] => NoType,
        _ => null,
    };
}

/// <summary>Precision, recall and F1 of entities, micro-averaged as conlleval and seqeval have them: an entity counts if its type, first and last word are right.</summary>
internal static class Entities
{
    public static EntityScore Score(IReadOnlyList<IReadOnlyList<string>> gold, IReadOnlyList<IReadOnlyList<string>> predicted)
    {
        int right = 0, real = 0, guessed = 0;
        for (int i = 0; i < gold.Count; i++)
        {
            IReadOnlyList<BioSpan> truth = BioSpan.Read(gold[i]), guess = BioSpan.Read(predicted[i]);
            (real, guessed, right) = (real + truth.Count, guessed + guess.Count, right + truth.Intersect(guess).Count());
        }
        return new((double)right / Math.Max(1, guessed), (double)right / Math.Max(1, real), NGrams.F1(right, guessed, real));
    }
}
