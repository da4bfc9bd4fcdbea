using Microsoft.ML.Peft.Metrics;

namespace Microsoft.ML.Peft;

/// <summary>Scores of texts and labels against references, each as the field's usual evaluation computes it.</summary>
public static class TextMetrics
{
    /// <summary>BLEU of a corpus, as sacrebleu (13a tokenization, exponential smoothing, up to four words).</summary>
    /// <param name="hypotheses">What was written.</param>
    /// <param name="references">For each of them one or more texts that are right.</param>
    /// <param name="lowercase">Whether case does not count. Default false.</param>
    /// <exception cref="ArgumentException">The lists differ in length or are empty, or a text has no reference.</exception>
    public static BleuScore Bleu(IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string>> references, bool lowercase = false)
    {
        Check(hypotheses, references, nameof(references));
        return Metrics.Bleu.Score(hypotheses, references, lowercase);
    }

    /// <summary>ROUGE-1, ROUGE-2 and ROUGE-L: F-measures, the best of a text's references, as rouge_score without a stemmer.</summary>
    /// <param name="hypotheses">What was written.</param>
    /// <param name="references">For each of them one or more texts that are right.</param>
    /// <exception cref="ArgumentException">The lists differ in length or are empty, or a text has no reference.</exception>
    public static RougeScore Rouge(IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string>> references)
    {
        Check(hypotheses, references, nameof(references));
        return Metrics.Rouge.Score(hypotheses, references);
    }

    /// <summary>CIDEr, as the COCO caption evaluation, of texts that are lower-case words between spaces; word statistics are those of the references.</summary>
    /// <param name="hypotheses">What was written.</param>
    /// <param name="references">For each of them one or more texts that are right.</param>
    /// <exception cref="ArgumentException">The lists differ in length or are empty, or a text has no reference.</exception>
    public static CiderScore Cider(IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string>> references)
    {
        Check(hypotheses, references, nameof(references));
        return Metrics.Cider.Score(hypotheses, references);
    }

    /// <summary>Exact match and F1 of answers, as SQuAD v1.1's evaluation; shares of 1.</summary>
    /// <param name="predicted">What was answered.</param>
    /// <param name="answers">For each of them one or more answers that are right.</param>
    /// <exception cref="ArgumentException">The lists differ in length or are empty, or a question has no answer.</exception>
    public static SquadScore Squad(IReadOnlyList<string> predicted, IReadOnlyList<IReadOnlyList<string>> answers)
    {
        Check(predicted, answers, nameof(answers));
        return Metrics.Squad.Score(predicted, answers);
    }

    /// <summary>Precision, recall and F1 of entities, as seqeval (and conlleval) over BIO or IOBES labels.</summary>
    /// <param name="gold">The right labels of each sentence.</param>
    /// <param name="predicted">The predicted ones.</param>
    /// <exception cref="ArgumentException">The lists, or two sentences, differ in length.</exception>
    public static EntityScore Entities(IReadOnlyList<IReadOnlyList<string>> gold, IReadOnlyList<IReadOnlyList<string>> predicted)
    {
        ArgumentNullException.ThrowIfNull(gold);
        ArgumentNullException.ThrowIfNull(predicted);
        SameCount(gold.Count, predicted.Count, "sentences", nameof(predicted));
        for (int i = 0; i < gold.Count; i++)
        {
            CheckLabels(gold[i], i, nameof(gold));
            CheckLabels(predicted[i], i, nameof(predicted));
            SameCount(gold[i].Count, predicted[i].Count, $"labels in sentence {i}", nameof(predicted));
        }
        return Metrics.Entities.Score(gold, predicted);
    }

    /// <summary>The share of rows whose right answer is among the first of those that were given (LAMA's precision at k). Case and blanks at the ends do not count.</summary>
    /// <param name="predicted">The answers given to each row, the likeliest first.</param>
    /// <param name="answers">The right answer of each row.</param>
    /// <param name="k">How many of the first count.</param>
    /// <returns>From 0 to 1.</returns>
    /// <exception cref="ArgumentException">The lists differ in length, are empty, or a text is null.</exception>
    public static double PrecisionAt(IReadOnlyList<IReadOnlyList<string>> predicted, IReadOnlyList<string> answers, int k)
    {
        ArgumentNullException.ThrowIfNull(answers);
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        Check(answers, predicted, nameof(predicted));
        return answers.Zip(predicted).Count(row => row.Second.Take(k).Any(text => string.Equals(text.Trim(), row.First.Trim(), StringComparison.OrdinalIgnoreCase))) / (double)answers.Count;
    }

    private static void Check(IReadOnlyList<string> texts, IReadOnlyList<IReadOnlyList<string>> references, string name)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(references, name);
        SameCount(texts.Count, references.Count, "texts", name);
        if (texts.Count == 0)
            throw new ArgumentException("There is no text to score.", nameof(texts));
        for (int i = 0; i < texts.Count; i++)
        {
            if (texts[i] is null)
                throw new ArgumentException($"Text {i} is null.", nameof(texts));
            if (references[i] is null || references[i].Any(reference => reference is null))
                throw new ArgumentException($"What text {i} is to be held against is null.", name);
            if (references[i].Count == 0)
                throw new ArgumentException($"Text {i} has none to be held against.", name);
        }
    }

    private static void CheckLabels(IReadOnlyList<string> labels, int sentence, string name)
    {
        if (labels is null || labels.Any(label => label is null))
            throw new ArgumentException($"Sentence {sentence} or a label of it is null.", name);
    }

    private static void SameCount(int expected, int found, string what, string name)
    {
        if (expected != found)
            throw new ArgumentException($"There are {expected} {what}, and {found} in '{name}'.", name);
    }
}
