using Microsoft.ML.Peft.Generation.Processors;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation;

/// <summary>One token a row and step: the likeliest, or one that is drawn. Finished rows leave the batch.</summary>
/// <param name="session">Has read nothing yet.</param>
/// <param name="settings">How tokens are chosen.</param>
/// <param name="written">Is told of each row's text as it may go out.</param>
internal sealed class TokenSearch(IDecodingSession session, GenerationSettings settings, Action<GenerationRow, string>? written = null)
{
    private readonly LogitsProcessors _processors = new(settings);

    /// <param name="prompts">What the session reads.</param>
    /// <param name="rows">The rows to write, as many for each prompt as sequences are asked for.</param>
    /// <param name="token">Ends it before the next token.</param>
    public void Run(IReadOnlyList<int[]> prompts, IReadOnlyList<GenerationRow> rows, CancellationToken token)
    {
        Tensor logits = Prompts.Read(session, prompts, rows.Count / prompts.Count);
        for (IReadOnlyList<GenerationRow> live = rows; ;)
        {
            long[] chosen = Choose(logits, live);
            for (int row = 0; row < live.Count; row++)
            {
                string text = live[row].Add((int)chosen[row]);
                written?.Invoke(live[row], text);
            }

            int[] left = [.. Enumerable.Range(0, live.Count).Where(row => live[row].End is null)];
            if (left.Length == 0)
                return;
            token.ThrowIfCancellationRequested();
            if (left.Length < live.Count)
            {
                session.Keep([.. left.Select(row => (long)row)]);
                (live, chosen) = ([.. left.Select(row => live[row])], [.. left.Select(row => chosen[row])]);
            }
            logits = session.Next(chosen);
        }
    }

    private long[] Choose(Tensor logits, IReadOnlyList<GenerationRow> rows)
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
        Tensor drawn = tensor(rows.Select(row => 1 - row.Draws.NextDouble()).ToArray(), device: scores.device).unsqueeze(1);
        return (sums < drawn * sums.narrow(1, sums.shape[1] - 1, 1)).sum(1);
    }
}
