using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft;

/// <summary>What the methods share whose virtual tokens enter a row beside its own: before them, or at places that a task's pattern keeps free.</summary>
public abstract class InputVectorOptions : VirtualTokenOptions, IStartsFromTexts
{
    private protected InputVectorOptions() { }

    /// <summary>
    /// How the vectors start; from sampled tokens by default. P-tuning's network then stands beside them and makes nothing yet; under
    /// <see cref="VirtualTokenStart.Random"/> it has its first values and makes the vectors alone, as PEFT's does.
    /// </summary>
    public VirtualTokenStart Start { get; set; }

    /// <summary>What they start from under <see cref="VirtualTokenStart.Text"/>, which needs it; null (the default) otherwise.</summary>
    public string? StartText { get; set; }

    /// <summary>
    /// Whether a head that reads the first token of a row ([CLS], of an encoder's sequence classification) reads it behind the prompt too. False:
    /// it reads position 0 of the lengthened row, which is the first virtual token, as in PEFT (the default); only such an adapter can be saved as a PEFT folder.
    /// </summary>
    public bool ReadsClassToken { get; set; }

    /// <summary>The tokens whose vectors each virtual token starts from, as their mean; those behind the last one are drawn. Empty before the words are known.</summary>
    [JsonInclude]
    internal IReadOnlyList<IReadOnlyList<int>> StartTokens { get; private set; } = [];

    /// <summary>Whether <see cref="ReadsClassToken"/> makes a difference under the head that the adapter was trained with.</summary>
    internal bool MovesHead { get; set; }

    TunerOptions IStartsFromTexts.WithTokens(StartWords words)
    {
        InputVectorOptions copy = Copy<InputVectorOptions>();
        copy.StartTokens = Start switch
        {
            VirtualTokenStart.Text => OfText(words.Marked(StartText!)),
            VirtualTokenStart.ClassLabels => OfLabels(words),
            _ => [],
        };
        return copy;
    }

    private protected void CheckStart()
    {
        if (!Enum.IsDefined(Start))
            throw new ArgumentOutOfRangeException(nameof(Start), Start, $"{nameof(Start)} is not one of the starts.");
        if (Start == VirtualTokenStart.Text && string.IsNullOrEmpty(StartText))
            throw new ArgumentException($"{nameof(VirtualTokenStart)}.{nameof(VirtualTokenStart.Text)} needs a {nameof(StartText)}.", nameof(StartText));
        if (Start != VirtualTokenStart.Text && StartText is not null)
            throw new ArgumentException($"{nameof(StartText)} is for {nameof(VirtualTokenStart)}.{nameof(VirtualTokenStart.Text)}, and {nameof(Start)} is {Start}.", nameof(StartText));
    }

    private protected override void ReadOwn(JsonObject config) => ReadsClassToken = false;

    private protected override void WriteOwn(JsonObject config, VirtualTokenSizes sizes)
    {
        if (MovesHead)
        {
            throw new NotSupportedException(
                $"The adapter's head reads the row's own first token ({nameof(ReadsClassToken)}), where PEFT reads the first virtual one: save the whole model, or train with {nameof(ReadsClassToken)} = false.");
        }
    }

    // As PEFT: with the tokenizer's special tokens, repeated and cut.
    private int[][] OfText(IReadOnlyList<int> ids) => ids.Count > 0
        ? [.. Enumerable.Range(0, Count).Select(i => new[] { ids[i % ids.Count] })]
        : throw new ArgumentException($"{nameof(StartText)} '{StartText}' has no token.", nameof(StartText));

    private IReadOnlyList<int>[] OfLabels(StartWords words)
    {
        if (words.Labels.Count == 0 || words.Labels.Count > Count)
        {
            throw new ArgumentException(
                $"{nameof(VirtualTokenStart)}.{nameof(VirtualTokenStart.ClassLabels)} starts {nameof(VirtualTokens)} ({Count}) from the names of the task's classes, of which there are "
                + $"{(words.Labels.Count == 0 ? "none" : words.Labels.Count)}.", nameof(Start));
        }
        IReadOnlyList<int>[] tokens = [.. words.Labels.Select(words.Bare)];
        int empty = Array.FindIndex(tokens, ids => ids.Count == 0);
        return empty < 0 ? tokens : throw new ArgumentException($"The label '{words.Labels[empty]}' has no token that a virtual one could start from.", nameof(Start));
    }
}
