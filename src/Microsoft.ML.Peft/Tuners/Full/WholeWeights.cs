using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Full;

/// <summary>Every weight trains: the baseline that the other methods are measured against.</summary>
internal sealed class FullOptions : TunerOptions
{
    internal override ITuner Create() => new WholeWeights(Key, touchesBase: true, AllOf, target => target.Weights.Constants.Where(constant => target.Holds(constant.Name)));

    private static IReadOnlyList<Parameter> AllOf(TuningTarget target) => target.Weights.Quantized.FirstOrDefault(weight => target.Holds(weight.Name)) is { } frozen
        ? throw new NotSupportedException($"'{frozen.Name}' is quantized: a model trains as a whole on a base of floats only.")
        : [.. target.Parameters];
}

/// <summary>Only the head trains: a linear probe of the frozen base.</summary>
internal sealed class LinearProbeOptions : TunerOptions
{
    internal override ITuner Create() => new WholeWeights(Key, touchesBase: false, target => target.HeadParameters, target => target.HeadConstants);
}

/// <summary>Nothing trains: the base answers as it is.</summary>
internal sealed class FrozenOptions : TunerOptions
{
    internal override ITuner Create() => new WholeWeights(Key, touchesBase: false, _ => []);
}

/// <summary>Trains weights of the model itself and adds none.</summary>
/// <param name="key">The method's name.</param>
/// <param name="touchesBase">Whether the base's own weights change.</param>
/// <param name="choose">What trains.</param>
/// <param name="keep">What is saved beside that as it is; null for nothing.</param>
internal sealed class WholeWeights(
    string key, bool touchesBase, Func<TuningTarget, IReadOnlyList<Parameter>> choose, Func<TuningTarget, IEnumerable<Parameter>>? keep = null) : ITuner
{
    private IReadOnlyList<Parameter> _saved = [];

    public string Key => key;

    public bool TouchesBase => touchesBase;

    public IReadOnlyList<Parameter> Trainable { get; private set; } = [];

    public void Attach(TuningTarget target, long seed, string adapter)
    {
        Trainable = choose(target);
        foreach (Parameter parameter in Trainable)
            parameter.MakeTrainable();
        _saved = [.. Trainable, .. keep?.Invoke(target) ?? []];
    }

    public IReadOnlyList<(string Name, Tensor Value)> Export() => [.. _saved.Select(p => (PeftNames.Prefix + p.Name, p.Value))];

    public void Import(ITensorSource source) => PeftNames.Import(source, _saved.ToDictionary(p => p.Name));

    /// <summary>The weights are the base's own: there is nothing to fold in.</summary>
    public bool TryMerge() => true;

    public void Unmerge() { }

    public void Dispose() { }
}
