using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Layer normalisation over the last dimension (Ba et al. 2016).</summary>
internal sealed class Norm(WeightScope scope, long width, double epsilon)
{
    private readonly Parameter _weight = scope.Load("weight", Init.Ones, width);
    private readonly Parameter _bias = scope.Load("bias", Init.Zeros, width);
    private readonly long[] _shape = [width];

    public IReadOnlyList<Parameter> Parameters => [_weight, _bias];

    public Tensor Forward(Tensor x) => nn.functional.layer_norm(x, _shape, _weight.Value, _bias.Value, epsilon);
}
