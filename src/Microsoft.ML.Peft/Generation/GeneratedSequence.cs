namespace Microsoft.ML.Peft.Generation;

/// <summary>Why a row ended.</summary>
internal enum FinishReason
{
    /// <summary>An end token came.</summary>
    EndToken,

    /// <summary>A stop string came.</summary>
    StopString,

    /// <summary>The most tokens that the options or the model's positions allow.</summary>
    Length,
}

/// <summary>What was generated after a prompt.</summary>
/// <param name="Ids">The tokens after the prompt, with the end token or those of the stop string where one ended it.</param>
/// <param name="Score">A beam's log-probability over its length penalty, transformers' <c>sequences_scores</c>; null without beams.</param>
/// <param name="End">Why it ended.</param>
internal sealed record GeneratedSequence(int[] Ids, float? Score, FinishReason End);

/// <summary>A piece of text as it comes; the last one says why it is the last.</summary>
internal readonly record struct TextPiece(string Text, FinishReason? End);
