using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>How a weight starts that no checkpoint brings.</summary>
internal enum Init { Normal, Zeros, Ones }

/// <summary>Makes weights that no checkpoint brings.</summary>
/// <param name="device">Where.</param>
/// <param name="range">Standard deviation of those that are drawn.</param>
/// <param name="seed">Their seed.</param>
internal sealed class NewWeights(Device device, double range, long seed) : IDisposable
{
    private readonly Generator _generator = new((ulong)seed, device);

    public Device Device => device;

    public Tensor Make(Init init, long[] shape)
    {
        using var noGrad = no_grad();
        Tensor value = init switch
        {
            Init.Zeros => zeros(shape, ScalarType.Float32, device),
            Init.Ones => ones(shape, ScalarType.Float32, device),
            _ => normal(0, range, shape, ScalarType.Float32, device, generator: _generator),
        };
        return value.DetachFromDisposeScope();
    }

    public void Dispose() => _generator.Dispose();
}
