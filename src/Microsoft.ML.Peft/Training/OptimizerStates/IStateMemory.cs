using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training.OptimizerStates;

/// <summary>Where an optimizer's state lies between steps. Its tensors must not outlive it.</summary>
internal interface IStateMemory : IDisposable
{
    /// <summary>A tensor of zeros.</summary>
    /// <param name="shape">Its shape.</param>
    /// <param name="type">Its type.</param>
    /// <param name="device">Where steps need it.</param>
    StateTensor Zeros(long[] shape, ScalarType type, Device device);
}

/// <summary>The memory of the device.</summary>
internal sealed class ResidentMemory : IStateMemory
{
    public StateTensor Zeros(long[] shape, ScalarType type, Device device) => new(zeros(shape, type, device), device);

    public void Dispose() { }
}
