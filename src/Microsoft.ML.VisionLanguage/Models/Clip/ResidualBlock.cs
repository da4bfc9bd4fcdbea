using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>Three convolutions beside a way around them (He et al. 2015), with an average where the sides are halved.</summary>
internal sealed class ResidualBlock
{
    /// <summary>How much wider a block's output is than its middle.</summary>
    public const int Expansion = 4;

    private readonly NormedConvolution _reduce, _middle, _expand;
    private readonly NormedConvolution? _around;
    private readonly int _stride;

    /// <param name="scope">The module.</param>
    /// <param name="inputs">Channels that come in.</param>
    /// <param name="planes">Channels in the middle.</param>
    /// <param name="stride">What the sides are divided by.</param>
    public ResidualBlock(WeightScope scope, int inputs, int planes, int stride)
    {
        int outputs = planes * Expansion;
        _stride = stride;
        _reduce = new NormedConvolution(scope["conv1"], scope["bn1"], inputs, planes, 1);
        _middle = new NormedConvolution(scope["conv2"], scope["bn2"], planes, planes, 3);
        _expand = new NormedConvolution(scope["conv3"], scope["bn3"], planes, outputs, 1);
        WeightScope around = scope["downsample"];
        _around = stride > 1 || inputs != outputs ? new NormedConvolution(around["0"], around["1"], inputs, outputs, 1) : null;
    }

    /// <summary>What it makes on the way is the caller's scope's.</summary>
    /// <param name="x">[B, inputs, H, W]</param>
    /// <returns>[B, outputs, H / stride, W / stride]</returns>
    public Tensor Forward(Tensor x)
    {
        Tensor middle = Average(_middle.Forward(_reduce.Forward(x).relu_()).relu_());
        Tensor residual = _around is { } around ? around.Forward(Average(x)) : x;
        return Elementwise.Add(_expand.Forward(middle), residual).relu_();
    }

    private Tensor Average(Tensor x) => _stride == 1 ? x : nn.functional.avg_pool2d(x, _stride);
}

/// <summary>A convolution without bias, and the batch norm behind it.</summary>
internal sealed class NormedConvolution(WeightScope convolution, WeightScope norm, int inputs, int outputs, int side)
{
    private readonly Parameter _kernel = convolution.Load("weight", Init.Normal, outputs, inputs, side, side);
    private readonly BatchNorm _norm = new(norm, outputs);

    /// <summary>1 by default.</summary>
    public int Stride { get; init; } = 1;

    /// <param name="x">[B, inputs, H, W]</param>
    /// <returns>[B, outputs, H / stride, W / stride]; a new tensor.</returns>
    public Tensor Forward(Tensor x)
    {
        using Tensor convolved = nn.functional.conv2d(x, _kernel.Value, strides: [Stride, Stride], padding: [side / 2, side / 2]);
        return _norm.Forward(convolved);
    }
}

/// <summary>
/// Batch normalisation (Ioffe and Szegedy 2015) by the statistics that the checkpoint brings, in training too: the batches of a fine-tuning are too small
/// and too much alike to measure better ones.
/// </summary>
internal sealed class BatchNorm(WeightScope scope, int channels)
{
    private const double Epsilon = 1e-5;

    private readonly Parameter _weight = scope.Load("weight", Init.Ones, channels);
    private readonly Parameter _bias = scope.Load("bias", Init.Zeros, channels);
    private readonly Parameter _mean = scope.LoadConstant("running_mean", Init.Zeros, channels);
    private readonly Parameter _variance = scope.LoadConstant("running_var", Init.Ones, channels);

    public Tensor Forward(Tensor x) =>
        nn.functional.batch_norm(x, _mean.Value, _variance.Value, _weight.Value, _bias.Value, training: false, eps: Epsilon);
}
