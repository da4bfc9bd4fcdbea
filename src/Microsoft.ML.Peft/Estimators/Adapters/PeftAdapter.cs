using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft;

/// <summary>One adapter of a transformer, from its loading until it is removed or replaced.</summary>
public sealed class PeftAdapter
{
    internal PeftAdapter(string name, string key, ITuner tuner, TunerOptions settings, bool isTrained = false) =>
        (Name, Key, Tuner, Settings, IsTrained) = (name, key, tuner, settings, isTrained);

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>Whether it is still what its name stands for: it was neither removed nor replaced.</summary>
    public bool IsCurrent { get; internal set; } = true;

    /// <summary>The name, and whether the handle is stale.</summary>
    /// <returns>The name.</returns>
    public override string ToString() => IsCurrent ? Name : $"{Name} (removed or replaced)";

    /// <summary>The name in the model's slots, which none after it gets: a call that began before a replacement ends as it began.</summary>
    internal string Key { get; }

    internal ITuner Tuner { get; }

    internal TunerOptions Settings { get; }

    /// <summary>The one that was trained with the model, which goes with the model.</summary>
    internal bool IsTrained { get; }

    /// <summary>Calls that use it; guarded by its set.</summary>
    internal int Uses { get; set; }
}
