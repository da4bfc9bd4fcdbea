using Microsoft.ML.Peft.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>A place for an answer: tokens of a window, the last included, and what model's scores of its two ends come to.</summary>
internal readonly record struct TokenSpan(int First, int Last, float Score);

/// <summary>An answer to a question.</summary>
/// <param name="Text">The answer as it stands in the context; empty where there is none.</param>
/// <param name="Start">Where it begins in the context, in UTF-16 units; -1 where there is none.</param>
/// <param name="Score">The sum of the logits of its ends.</param>
internal sealed record FoundAnswer(string Text, int Start, float Score);

/// <summary>Answers to a question out of one window, or of all windows of its context.</summary>
/// <param name="Best">The best, in order.</param>
/// <param name="None">The score of there being none: the lowest of all windows, since one of them may have the answer.</param>
internal sealed record FoundAnswers(IReadOnlyList<FoundAnswer> Best, float None)
{
    /// <summary>How many answers are compared (Devlin et al. 2018).</summary>
    public const int Compared = 20;

    public static FoundAnswers Join(IReadOnlyList<FoundAnswers> windows) => new(
        [.. windows.SelectMany(window => window.Best).OrderByDescending(answer => answer.Score).DistinctBy(answer => (answer.Start, answer.Text)).Take(Compared)],
        windows.Min(window => window.None));
}

/// <summary>Spans of tokens: what they cost, and which are the best.</summary>
internal static class AnswerSpans
{
    /// <summary>The mean of the cross-entropies of start and end, summed over rows.</summary>
    /// <param name="logits">[B, S, 2]</param>
    /// <param name="starts">[B], int64; a row whose place is not in 0..S-1 does not count.</param>
    /// <param name="ends">[B], int64, likewise.</param>
    /// <param name="real">Where a position is no padding [B, S]; null for all.</param>
    public static Tensor LossSum(Tensor logits, Tensor starts, Tensor ends, Tensor? real)
    {
        using var scope = NewDisposeScope();
        Tensor masked = real is null ? logits : logits.masked_fill(real.logical_not().unsqueeze(-1), float.NegativeInfinity);
        Tensor[] sides = masked.unbind(-1);
        return ((CrossEntropy(sides[0], starts) + CrossEntropy(sides[1], ends)) / 2).MoveToOuterDisposeScope();
    }

    /// <summary>The best spans by the sum of their logits, in order; of equals the earlier.</summary>
    /// <param name="starts">A logit for each token.</param>
    /// <param name="ends">Likewise.</param>
    /// <param name="allowed">Whether a token may stand in an answer.</param>
    /// <param name="longest">Tokens at most.</param>
    /// <param name="count">Spans at most.</param>
    public static IReadOnlyList<TokenSpan> Best(ReadOnlySpan<float> starts, ReadOnlySpan<float> ends, Predicate<int> allowed, int longest, int count)
    {
        var best = new PriorityQueue<TokenSpan, (float Score, int Age)>();
        int age = 0;
        for (int first = 0; first < starts.Length; first++)
        {
            for (int last = first; last < Math.Min(starts.Length, first + longest) && allowed(first) && allowed(last); last++)
            {
                var span = new TokenSpan(first, last, starts[first] + ends[last]);
                best.Enqueue(span, (span.Score, age--));
                if (best.Count > count)
                    best.Dequeue();
            }
        }
        var found = new TokenSpan[best.Count];
        for (int i = found.Length - 1; i >= 0; i--)
            found[i] = best.Dequeue();
        return found;
    }

    private static Tensor CrossEntropy(Tensor logits, Tensor places)
    {
        Tensor known = where(places.lt(0) | places.ge(logits.size(1)), full_like(places, Batch.IgnoredLabel), places);
        return nn.functional.cross_entropy(logits, known, ignore_index: Batch.IgnoredLabel, reduction: nn.Reduction.Sum);
    }
}
