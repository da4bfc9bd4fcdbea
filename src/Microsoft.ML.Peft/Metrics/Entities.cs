namespace Microsoft.ML.Peft.Metrics;

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
