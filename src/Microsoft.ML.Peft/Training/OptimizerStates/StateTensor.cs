using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training.OptimizerStates;

/// <summary>A tensor of an optimizer's state.</summary>
/// <param name="held">The tensor as it lies between steps; the state's from now on.</param>
/// <param name="device">Where steps need it.</param>
internal sealed class StateTensor(Tensor held, Device device) : IDisposable
{
    /// <summary>The tensor between steps; outside a <see cref="Lend"/> its values are the state's.</summary>
    public Tensor Held { get; } = held.DetachFromDisposeScope();

    public long Bytes => Held.numel() * Held.dtype.ElementSize();

    /// <summary>Hands the tensor out for a step, on the step's device; what was done to it is the state's once the loan is disposed.</summary>
    public Loan Lend() => new(Held, device);

    public void Dispose() => Held.Dispose();

    /// <summary>The tensor while a step uses it.</summary>
    internal readonly struct Loan : IDisposable
    {
        private readonly Tensor _held;

        public Loan(Tensor held, Device device)
        {
            _held = held;
            Value = held.device_type == device.type ? held : held.to(device);
        }

        public Tensor Value { get; }

        public void Dispose()
        {
            if (ReferenceEquals(Value, _held))
                return;
            _held.copy_(Value);
            Value.Dispose();
        }
    }
}
