namespace Microsoft.ML.Peft.Tasks;

/// <summary>A labelled run of words.</summary>
/// <param name="Type">The label without its B- or I-.</param>
/// <param name="First">Its first word.</param>
/// <param name="End">The word behind its last.</param>
internal readonly record struct BioSpan(string Type, int First, int End)
{
    /// <summary>
    /// Reads spans from BIO labels as conlleval does: B- starts one, and so does I- where the label before is of another
    /// type; any other label ends it.
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
            while (i < labels.Count && labels[i] == "I-" + type)
                i++;
            spans.Add(new BioSpan(type, first, i));
        }
        return spans;
    }

    public override string ToString() => FormattableString.Invariant($"{Type}:{First}-{End}");

    private static string? TypeOf(string label) =>
        label.StartsWith("B-", StringComparison.Ordinal) || label.StartsWith("I-", StringComparison.Ordinal) ? label[2..] : null;
}
