using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>A state of libtorch's global generator, the only one that dropout has.</summary>
internal sealed class RandomState : IDisposable
{
    private readonly Tensor? _cpu;
    private readonly long _seed;

    private RandomState(Tensor cpu) => _cpu = cpu.DetachFromDisposeScope();

    private RandomState(long seed) => _seed = seed;

    /// <summary>The CPU generator's state.</summary>
    public static RandomState OfCpu() => new(get_rng_state());

    /// <summary>A state from which what now follows on a device can be drawn again.</summary>
    public static RandomState Replayable(Device device)
    {
        if (device.type == DeviceType.CPU)
            return OfCpu();
        // CUDA's state cannot be read through TorchSharp, but it can be begun anew.
        using Tensor drawn = randint(long.MaxValue, 1L, ScalarType.Int64);
        var state = new RandomState(drawn.item<long>());
        state.Restore();
        return state;
    }

    public void Restore()
    {
        if (_cpu is null)
            manual_seed(_seed).Dispose();
        else
            set_rng_state(_cpu);
    }

    public void Dispose() => _cpu?.Dispose();
}
