using Microsoft.ML.Peft.Generation.Processors;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation;

/// <summary>Chooses each row's next token: the likeliest, or one that is drawn.</summary>
internal sealed class TokenChooser(GenerationSettings settings)
{
    private readonly LogitsProcessors _processors = new(settings);

    /// <param name="logits">[B, V], which are gone afterwards.</param>
    /// <param name="rows">What each row has so far.</param>
    public long[] Choose(Tensor logits, IReadOnlyList<GenerationRow> rows)
    {
        using (logits)
        {
            using var scope = NewDisposeScope();
            Tensor scores = _processors.Apply(logits.to(ScalarType.Float32), [.. rows.Select(row => row.Tokens)]);
            return (settings.DoSample ? Draw(scores, rows) : scores.argmax(-1)).cpu().data<long>().ToArray();
        }
    }

    // The first token at which the summed probabilities reach a number drawn from (0, 1]: never one without probability.
    private static Tensor Draw(Tensor scores, IReadOnlyList<GenerationRow> rows)
    {
        Tensor sums = scores.softmax(-1).to(ScalarType.Float64).cumsum(-1);
        Tensor drawn = tensor(rows.Select(row => 1 - row.Draws.NextDouble()).ToArray(), ScalarType.Float64, scores.device).unsqueeze(1);
        return (sums < drawn * sums.narrow(1, sums.size(1) - 1, 1)).sum(1);
    }
}
