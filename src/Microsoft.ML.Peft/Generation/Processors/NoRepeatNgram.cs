using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation.Processors;

/// <summary>Bans the tokens that would complete a run of <paramref name="size"/> tokens which the row has already.</summary>
internal sealed class NoRepeatNgram(int size) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows) =>
        scores.Without(rows.SelectMany((row, index) => Completing(row.Ids).Select(token => (index, token))));

    private List<int> Completing(ReadOnlySpan<int> ids)
    {
        List<int> found = [];
        int before = size - 1;
        if (ids.Length < before)
            return found;
        ReadOnlySpan<int> end = ids[^before..];
        for (int i = before; i < ids.Length; i++)
        {
            if (ids[(i - before)..i].SequenceEqual(end))
                found.Add(ids[i]);
        }
        return found;
    }
}
