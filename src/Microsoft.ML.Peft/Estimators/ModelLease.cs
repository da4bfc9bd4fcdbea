using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>Which adapter a row asks for.</summary>
internal readonly record struct AdapterChoice
{
    private AdapterChoice(string? name, bool isActive) => (Name, IsActive) = (name, isActive);

    /// <summary>Whichever is active when the call begins.</summary>
    public static AdapterChoice Active { get; } = new(null, isActive: true);

    /// <summary>None: the base as it is.</summary>
    public static AdapterChoice Bare { get; } = new(null, isActive: false);

    /// <summary>The name; null for the other two.</summary>
    public string? Name { get; }

    public bool IsActive { get; }

    public static AdapterChoice Named(string name) => new(name, isActive: false);
}

/// <summary>
/// A call's hold on a model and on the adapters that it uses: the only way to a <see cref="ForwardContext"/> over a model that
/// others use too. Until it is disposed no merge begins, and what it uses stays.
/// </summary>
/// <param name="owner">Where it was given out.</param>
/// <param name="used">The adapters.</param>
/// <param name="keys">The slots' name for each row; null for the bare base. One for all rows, or one a row.</param>
internal sealed class ModelLease(ModelHost owner, IReadOnlyList<PeftAdapter> used, IReadOnlyList<string?> keys) : IDisposable
{
    private int _disposed;

    public TunedModel Model => owner.Model;

    public IReadOnlyList<PeftAdapter> Used => used;

    /// <summary>The slots' names, the same for the same adapter and never given again.</summary>
    public IReadOnlyList<string?> Keys => keys;

    /// <summary>The call of a batch whose rows come in the order of <see cref="Keys"/>; the caller disposes its rows.</summary>
    public ForwardContext Context() => ForwardContext.ForRows(keys, Model.Model.Weights.Device, owner.Limit);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            owner.Exit(used);
    }
}
