using Microsoft.ML.Peft.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation;

/// <summary>One token a row and step: the likeliest, or one that is drawn. Finished rows leave the batch.</summary>
/// <param name="session">Has read nothing yet.</param>
/// <param name="settings">How tokens are chosen.</param>
/// <param name="written">Is told of each row's text as it may go out.</param>
internal sealed class TokenSearch(IDecodingSession session, GenerationSettings settings, Action<GenerationRow, string>? written = null)
{
    private readonly TokenChooser _chooser = new(settings);

    /// <param name="prompts">What the session reads.</param>
    /// <param name="rows">The rows to write, as many for each prompt as sequences are asked for.</param>
    /// <param name="token">Ends it before the next token.</param>
    public void Run(IReadOnlyList<int[]> prompts, IReadOnlyList<GenerationRow> rows, CancellationToken token)
    {
        Tensor logits = Prompts.Read(session, prompts, rows.Count / prompts.Count);
        for (IReadOnlyList<GenerationRow> live = rows; ;)
        {
            long[] chosen = _chooser.Choose(logits, live);
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
}
