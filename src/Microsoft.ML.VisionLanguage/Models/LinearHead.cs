using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>One linear layer over a vector.</summary>
/// <param name="scope">The place of its weights.</param>
/// <param name="width">The vector's.</param>
/// <param name="classes">How many there are.</param>
internal sealed class LinearHead(WeightScope scope, int width, int classes) : Head
{
    public const string WeightName = "weight", BiasName = "bias";

    private readonly Parameter _weight = scope.Load(WeightName, Init.Zeros, classes, width), _bias = scope.Load(BiasName, Init.Zeros, classes);

    public override IReadOnlyList<Parameter> Parameters => [_weight, _bias];

    public override IReadOnlyList<Parameter> ClassRows => Parameters;

    /// <param name="hidden">[B, 1, width]</param>
    /// <param name="batch">The pictures.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, classes]</returns>
    public override Tensor Forward(Tensor hidden, Batch batch, ForwardContext context)
    {
        using Tensor vectors = hidden.squeeze(1);
        return nn.functional.linear(vectors, _weight.Value, _bias.Value);
    }
}
