using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation.Processors;

/// <summary>A rule about the next token, written into its scores.</summary>
internal interface ILogitsProcessor
{
    /// <param name="scores">[B, V] in float32: logits, or in a beam search log-probabilities. Not written to.</param>
    /// <param name="rows">What each row has so far.</param>
    Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows);
}

/// <summary>The rules that settings ask for, in transformers' order: penalties and bans, then what narrows a draw.</summary>
internal sealed class LogitsProcessors(GenerationSettings settings)
{
    private readonly ILogitsProcessor[] _all =
    [
        .. When(settings.RepetitionPenalty != 1, () => new RepetitionPenalty(settings.RepetitionPenalty)),
        .. When(settings.NoRepeatNgramSize > 0, () => new NoRepeatNgram(settings.NoRepeatNgramSize)),
        .. When(settings.MinLength > 0 || settings.MinNewTokens > 0, () => new MinLength(settings.MinLength, settings.MinNewTokens, settings.EosTokenIds)),
        .. When(settings.DoSample && settings.Temperature != 1, () => new Temperature(settings.Temperature)),
        .. When(settings.DoSample && settings.TopK > 0, () => new TopK(settings.TopK)),
        .. When(settings.DoSample && settings.TopP < 1, () => new TopP(settings.TopP)),
        .. When(settings.DoSample && settings.MinP > 0, () => new MinP(settings.MinP)),
        .. When(settings.DoSample && settings.TypicalP < 1, () => new TypicalP(settings.TypicalP)),
        .. When(settings.DoSample && settings.EpsilonCutoff > 0, () => new EpsilonCutoff(settings.EpsilonCutoff)),
        .. When(settings.DoSample && settings.EtaCutoff > 0, () => new EtaCutoff(settings.EtaCutoff)),
    ];

    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows) =>
        _all.Aggregate(scores, (current, processor) => processor.Apply(current, rows));

    private static IEnumerable<ILogitsProcessor> When(bool asked, Func<ILogitsProcessor> create) => asked ? [create()] : [];
}
