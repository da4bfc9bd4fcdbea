using Microsoft.ML.Peft.Interop;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training.OptimizerStates;

/// <summary>What an optimizer keeps of one parameter's gradients (AdamW their running mean and variance), in the way in which it is held.</summary>
internal abstract class Moments : IDisposable
{
    protected const string MeanPart = "mean", VariancePart = "variance";

    /// <summary>Steps that were taken.</summary>
    public int Steps { get; set; }

    /// <summary>The memory that the state takes.</summary>
    public long Bytes => Parts.Sum(part => part.State.Bytes);

    /// <summary>The tensors that they are made of, named as in checkpoints.</summary>
    protected abstract IReadOnlyList<(string Name, StateTensor State)> Parts { get; }

    /// <summary>Takes one step, in place.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="gradient">Its gradient, of the same shape; may be changed.</param>
    /// <param name="step">The step's settings.</param>
    public abstract void Step(Tensor parameter, Tensor gradient, in AdamWStep step);

    /// <summary>The tensors; they stay the state's.</summary>
    public IEnumerable<(string Part, Tensor Value)> Export() => Parts.Select(part => (part.Name, part.State.Held));

    /// <summary>Copies the tensors.</summary>
    /// <param name="read">Gives the tensor of a part.</param>
    public void Import(Func<string, Tensor> read)
    {
        foreach (var (name, state) in Parts)
            state.Held.copy_(read(name));
    }

    public void Dispose()
    {
        foreach (var (_, state) in Parts)
            state.Dispose();
    }
}
