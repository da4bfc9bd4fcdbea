using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.Metrics;

/// <summary>
/// ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004) as Google's rouge_score computes them without a stemmer: F-measures over words of
/// the letters a to z and digits, the best of several references for each, and their mean over all texts.
/// </summary>
internal static partial class Rouge
{
    public static RougeScore Score(IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string>> references)
    {
        var pairs = hypotheses.Select((text, i) => (Words: Tokenize(text), References: references[i].Select(Tokenize).ToArray())).ToArray();
        double Mean(Func<string[], string[], double> measure) => pairs.Average(pair => pair.References.Max(reference => measure(pair.Words, reference)));
        return new(Mean((words, reference) => F1(words, reference, 1)), Mean((words, reference) => F1(words, reference, 2)), Mean(LongestCommon));
    }

    private static string[] Tokenize(string text) => [.. Words().Matches(text.ToLowerInvariant()).Select(match => match.Value)];

    private static double F1(string[] words, string[] reference, int order) => NGrams.F1(
        NGrams.Common(NGrams.Count(words, order), NGrams.Count(reference, order)),
        Math.Max(0, words.Length - order + 1), Math.Max(0, reference.Length - order + 1));

    // The longest common subsequence, one row of the table at a time.
    private static double LongestCommon(string[] words, string[] reference)
    {
        int[] row = new int[reference.Length + 1];
        foreach (string word in words)
        {
            int diagonal = 0;
            for (int j = 1; j < row.Length; j++)
            {
                int above = row[j];
                row[j] = word == reference[j - 1] ? diagonal + 1 : Math.Max(above, row[j - 1]);
                diagonal = above;
            }
        }
        return NGrams.F1(row[^1], words.Length, reference.Length);
    }

    [GeneratedRegex("[a-z0-9]+")]
    private static partial Regex Words();
}
