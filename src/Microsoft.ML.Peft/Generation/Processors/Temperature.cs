using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation.Processors;

/// <summary>Scores divided by the temperature.</summary>
internal sealed class Temperature(double temperature) : ILogitsProcessor
{
    public Tensor Apply(Tensor scores, IReadOnlyList<TokenSequence> rows) => scores / temperature;
}
