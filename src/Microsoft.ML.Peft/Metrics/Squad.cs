using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.Metrics;

/// <summary>
/// Exact match and word F1 as SQuAD v1.1's evaluation has them (Rajpurkar et al. 2016): case, punctuation, articles and spaces do
/// not count, and the best of several answers does.
/// </summary>
internal static partial class Squad
{
    private const string Punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

    public static SquadScore Score(IReadOnlyList<string> predicted, IReadOnlyList<IReadOnlyList<string>> answers)
    {
        var pairs = predicted.Select((text, i) => (Words: Normalize(text), Answers: answers[i].Select(Normalize).ToArray())).ToArray();
        return new(
            pairs.Average(pair => pair.Answers.Any(answer => answer.SequenceEqual(pair.Words)) ? 1 : 0),
            pairs.Average(pair => pair.Answers.Max(answer => F1(pair.Words, answer))));
    }

    // An answer of which nothing is left is met by nothing.
    private static double F1(string[] words, string[] answer) => words.Length == 0 && answer.Length == 0 ? 1
        : NGrams.F1(NGrams.Common(NGrams.Count(words, 1), NGrams.Count(answer, 1)), words.Length, answer.Length);

    private static string[] Normalize(string text)
    {
        string letters = string.Concat(text.ToLowerInvariant().Where(c => !Punctuation.Contains(c)));
        return NGrams.Words(Articles().Replace(letters, " "));
    }

    [GeneratedRegex(@"\b(a|an|the)\b")]
    private static partial Regex Articles();
}
