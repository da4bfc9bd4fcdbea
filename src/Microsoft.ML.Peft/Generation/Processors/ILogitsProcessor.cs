using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation.Processors;

/// <summary>A rule about the next token, written into its scores.</summary>
internal interface ILogitsProcessor
{
    /// <param name="scores">[B, V] in float32: logits, or in a beam search log-probabilities. Not written to.</param>
    /// <param name="rows">What each row has so far.</param>
    Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows);
}
