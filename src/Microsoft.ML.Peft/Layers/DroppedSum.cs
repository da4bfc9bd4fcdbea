using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>A residual plus a sublayer's dropped output, in the output's own memory.</summary>
internal sealed class DroppedSum : GradientFunction<DroppedSum, DropoutSite>
{
    /// <param name="residual">Any shape.</param>
    /// <param name="output">The same shape; overwritten, and no graph may need it: libtorch throws where one does.</param>
    /// <param name="site">What is dropped.</param>
    public static Tensor Of(Tensor residual, Tensor output, DropoutSite site) => Call(site, residual, output);

    protected override (Tensor Output, Tensor?[] Saved) Forward(DropoutSite site, IReadOnlyList<Tensor> inputs)
    {
        Tensor sum = inputs[1].detach();
        Dropout.AddDropped(inputs[0], sum, site);
        return (sum, []);
    }

    protected override Tensor?[] Backward(DropoutSite site, IReadOnlyList<Tensor> saved, Tensor gradient) =>
        [gradient.alias(), Dropout.Drop(gradient, site)];
}
