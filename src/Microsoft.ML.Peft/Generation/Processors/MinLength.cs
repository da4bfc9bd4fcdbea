using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation.Processors;

/// <summary>Bans the end tokens while a row is short: as a whole, or in what was generated.</summary>
internal sealed class MinLength(int length, int newTokens, IReadOnlyList<int> endTokens) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows) =>
        scores.Without(rows.SelectMany((row, index) => IsShort(row) ? endTokens.Select(token => (index, token)) : []));

    private bool IsShort(TokenSequence row) => row.Length < length || row.GeneratedLength < newTokens;
}
