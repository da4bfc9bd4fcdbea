namespace Microsoft.ML.Peft;

/// <summary>BLEU of a corpus.</summary>
/// <param name="Score">0 to 100.</param>
/// <param name="Precisions">Of runs of one to four words, 0 to 100.</param>
/// <param name="BrevityPenalty">1, less where the texts are shorter than their references.</param>
public sealed record BleuScore(double Score, IReadOnlyList<double> Precisions, double BrevityPenalty);

/// <summary>Mean F-measures of ROUGE, shares of 1.</summary>
/// <param name="Rouge1">Of single words.</param>
/// <param name="Rouge2">Of pairs of words.</param>
/// <param name="RougeL">Of the longest common subsequence.</param>
public sealed record RougeScore(double Rouge1, double Rouge2, double RougeL);

/// <summary>CIDEr of a corpus.</summary>
/// <param name="Score">The mean over all texts; 10 for texts that are their references.</param>
/// <param name="Each">Of each text.</param>
public sealed record CiderScore(double Score, IReadOnlyList<double> Each);

/// <summary>How right answers are, shares of 1.</summary>
/// <param name="ExactMatch">Answers that are right as a whole.</param>
/// <param name="F1">The mean F1 over words.</param>
public sealed record SquadScore(double ExactMatch, double F1);

/// <summary>How right entities are, shares of 1.</summary>
/// <param name="Precision">Predicted entities that are right.</param>
/// <param name="Recall">Right entities that are predicted.</param>
/// <param name="F1">The harmonic mean of the two.</param>
public sealed record EntityScore(double Precision, double Recall, double F1);
