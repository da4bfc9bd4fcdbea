using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Layer normalisation over the last dimension (Ba et al. 2016).</summary>
internal sealed class LayerNorm(WeightScope scope, long width, double epsilon)
    : NormSite(scope, new NormWeights(scope.Load("weight", Init.Ones, width), scope.Load("bias", Init.Zeros, width)))
{
    private readonly long[] _shape = [width];

    protected override Tensor Forward(Tensor x, NormWeights weights) =>
        nn.functional.layer_norm(x, _shape, weights.Weight.Value, weights.Bias!.Value, epsilon);
}
