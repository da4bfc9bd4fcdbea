using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>One place of the model that an adapter tunes: what it trains there, and how that enters and leaves the model.</summary>
internal abstract class TunedPart : IDisposable
{
    /// <summary>The module's path.</summary>
    public abstract string Path { get; }

    /// <summary>What trains, named as in PEFT's files.</summary>
    public abstract IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Those that move between start and end (<see cref="ITuner.Interpolated"/>): by default all.</summary>
    public virtual IReadOnlyList<Parameter> Interpolated => Parameters;

    /// <summary>What is saved: the parameters, where the method makes nothing else of them.</summary>
    public virtual IEnumerable<(string Name, Tensor Value)> Export() => Parameters.Select(p => (p.Name, p.Value));

    /// <summary>Whether a parameter of the base is the place's own, which PEFT keeps one level deeper in its files.</summary>
    public virtual bool Wraps(Parameter parameter) => false;

    /// <summary>Fills the slots.</summary>
    public abstract void Attach(string adapter);

    /// <summary>Empties the slots.</summary>
    public abstract void Detach(string adapter);

    /// <summary>Folds what was learnt into the base and empties the slots; by default it stays where it is, and costs nothing there.</summary>
    public virtual void Merge(string adapter) { }

    /// <summary>Takes the merge back, to the bit; merges are taken back in reverse order.</summary>
    public virtual void Unmerge(string adapter) { }

    /// <summary>What merging makes of a checkpoint's weights; by default nothing, as of a method that cannot be merged.</summary>
    public virtual IEnumerable<MergedWeight> MergedWeights() => [];

    public virtual void Dispose()
    {
        foreach (Parameter parameter in Parameters)
            parameter.Dispose();
    }
}
