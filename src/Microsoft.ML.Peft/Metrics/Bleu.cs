using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.Metrics;

/// <summary>
/// BLEU of a corpus (Papineni et al. 2002) as sacrebleu computes it: mteval's 13a tokenization, the reference nearest in length,
/// and a precision without a match halved once more for each such order (exponential smoothing).
/// </summary>
internal static partial class Bleu
{
    private const int Orders = 4;

    public static BleuScore Score(IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string>> references, bool lowercase)
    {
        long[] right = new long[Orders], all = new long[Orders];
        long length = 0, wanted = 0;
        for (int i = 0; i < hypotheses.Count; i++)
        {
            string[] words = Tokenize(hypotheses[i], lowercase);
            string[][] accepted = [.. references[i].Select(reference => Tokenize(reference, lowercase))];
            length += words.Length;
            wanted += accepted.Select(reference => reference.Length).OrderBy(l => Math.Abs(l - words.Length)).ThenBy(l => l).First();
            for (int order = 1; order <= Orders; order++)
            {
                right[order - 1] += NGrams.Common(NGrams.Count(words, order), Most(accepted, order));
                all[order - 1] += Math.Max(0, words.Length - order + 1);
            }
        }
        return Of(right, all, length, wanted);
    }

    internal static string[] Tokenize(string text, bool lowercase)
    {
        text = lowercase ? text.ToLowerInvariant() : text;
        text = text.TrimEnd().Replace("<skipped>", "", StringComparison.Ordinal).Replace("-\n", "", StringComparison.Ordinal).Replace('\n', ' ')
            .Replace("&quot;", "\"", StringComparison.Ordinal).Replace("&amp;", "&", StringComparison.Ordinal)
            .Replace("&lt;", "<", StringComparison.Ordinal).Replace("&gt;", ">", StringComparison.Ordinal);
        text = Symbol().Replace($" {text} ", " $1 ");
        text = PointAfterOther().Replace(text, "$1 $2 ");
        text = PointBeforeOther().Replace(text, " $1 $2");
        return NGrams.Words(DashAfterDigit().Replace(text, "$1 $2 "));
    }

    // A run may be guessed as often as the reference that has it most.
    private static Dictionary<string, int> Most(string[][] references, int order)
    {
        var most = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (gram, count) in references.SelectMany(reference => NGrams.Count(reference, order)))
            most[gram] = Math.Max(count, most.GetValueOrDefault(gram));
        return most;
    }

    private static BleuScore Of(long[] right, long[] all, long length, long wanted)
    {
        double brevity = length >= wanted ? 1 : length == 0 ? 0 : Math.Exp(1 - (double)wanted / length);
        double[] precisions = new double[Orders];
        if (right.All(count => count == 0))
            return new(0, precisions, brevity);
        double smoothing = 1;
        for (int i = 0; i < Orders && all[i] > 0; i++)
            precisions[i] = 100.0 / all[i] * (right[i] > 0 ? right[i] : 1 / (smoothing *= 2));
        // A text too short for an order has no precision there, and log 0 makes the score 0.
        return new(brevity * Math.Exp(precisions.Average(Math.Log)), precisions, brevity);
    }

    [GeneratedRegex(@"([{-~[-` -&(-+:-@/])")]
    private static partial Regex Symbol();

    [GeneratedRegex(@"([^0-9])([.,])")]
    private static partial Regex PointAfterOther();

    [GeneratedRegex(@"([.,])([^0-9])")]
    private static partial Regex PointBeforeOther();

    [GeneratedRegex(@"([0-9])(-)")]
    private static partial Regex DashAfterDigit();
}
