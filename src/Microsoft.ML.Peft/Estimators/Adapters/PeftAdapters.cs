using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft;

/// <summary>
/// The named adapters of a transformer: many on one base. They may be added, replaced and removed while other threads score;
/// a call ends with the adapter it began with. The adapter that was trained with the model is called "default".
/// </summary>
public sealed class PeftAdapters
{
    private readonly ModelHost _host;
    private readonly LabelSet _labels;
    private readonly Func<string?> _baseHash;
    private readonly Action<string> _warn;

    internal PeftAdapters(Scorer scorer, Func<string?> baseHash, Action<string> warn) =>
        (_host, _labels, _baseHash, _warn) = (scorer.Host, scorer.Task.Labels, baseHash, warn);

    /// <summary>The names, in order.</summary>
    public IReadOnlyList<string> Names => [.. _host.All.Select(adapter => adapter.Name)];

    /// <summary>The one that answers where no other is asked for; null for the bare base.</summary>
    public PeftAdapter? Active => _host.Active;

    /// <summary>The one that is folded into the base; null where none is.</summary>
    public PeftAdapter? Merged => _host.Merged;

    /// <summary>The adapter of a name, as of now.</summary>
    /// <param name="name">The name.</param>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public PeftAdapter this[string name] => _host.Get(Given(name));

    /// <summary>Loads an adapter beside the others. The labels that it was trained with are matched with the task's by their values.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="path">A PEFT folder, or a LoRA adapter as a .gguf file.</param>
    /// <param name="allowOtherBase">
    /// Whether it may have been trained on other weights of the same shape, such as the base in another precision; by default it is
    /// refused where it names its base's hash and that is not this one's.
    /// </param>
    /// <returns>The adapter.</returns>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    /// <exception cref="InvalidDataException">The files are malformed, belong to another base or architecture, or were trained with other labels.</exception>
    /// <exception cref="NotSupportedException">The adapter is of a kind that is not supported, or changes the shared base itself.</exception>
    public PeftAdapter Load(string name, string path, bool allowOtherBase = false) => _host.Add(Given(name), null, Open(path, allowOtherBase));

    /// <summary>Puts another adapter in the place of one. Calls that run end with the old one.</summary>
    /// <param name="adapter">The old one, which is stale afterwards.</param>
    /// <param name="path">A PEFT folder, or a LoRA adapter as a .gguf file.</param>
    /// <param name="allowOtherBase">As for <see cref="Load"/>.</param>
    /// <returns>The new one, of the same name.</returns>
    /// <exception cref="InvalidDataException">The files are malformed, belong to another base or architecture, or were trained with other labels.</exception>
    /// <exception cref="InvalidOperationException">The old one was removed or replaced, or is merged.</exception>
    public PeftAdapter Replace(PeftAdapter adapter, string path, bool allowOtherBase = false) =>
        _host.Add(Given(adapter).Name, adapter, Open(path, allowOtherBase));

    /// <summary>Takes an adapter away; if it was active, the bare base is. Its memory goes when the last call that uses it ended.</summary>
    /// <param name="adapter">The adapter, which is stale afterwards.</param>
    /// <exception cref="InvalidOperationException">It was removed or replaced before, or is merged.</exception>
    public void Remove(PeftAdapter adapter) => _host.Remove(Given(adapter));

    /// <summary>Chooses what answers where no other is asked for.</summary>
    /// <param name="adapter">The adapter; null for the bare base.</param>
    /// <exception cref="InvalidOperationException">It was removed or replaced, or another one is merged.</exception>
    public void Activate(PeftAdapter? adapter) => _host.Activate(adapter);

    /// <summary>Makes one adapter of several, as PEFT's <c>add_weighted_adapter</c> does.</summary>
    /// <param name="name">The new one's name.</param>
    /// <param name="adapters">The adapters, each with its weight, which may be negative.</param>
    /// <param name="options">How they become one; null (the default) for the defaults.</param>
    /// <returns>The mix.</returns>
    /// <exception cref="ArgumentException">The name is taken; no adapter is given; ranks or settings do not fit the method.</exception>
    /// <exception cref="InvalidOperationException">An adapter was removed or replaced.</exception>
    /// <exception cref="NotSupportedException">An adapter holds what cannot be mixed.</exception>
    public PeftAdapter Mix(string name, IReadOnlyList<(PeftAdapter Adapter, double Weight)> adapters, AdapterMixOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(adapters);
        if (adapters.Count == 0 || adapters.Any(part => !double.IsFinite(part.Weight)))
            throw new ArgumentException("A mix takes one adapter or more, each with a finite weight.", nameof(adapters));
        return _host.Add(Given(name), null, key =>
        {
            using ModelLease lease = _host.Hold([.. adapters.Select(part => Given(part.Adapter))]);
            AdapterState[] states = [.. adapters.Select(part => AdapterState.Of(part.Adapter.Name, part.Adapter.Tuner, part.Adapter.Settings))];
            try
            {
                using AdapterState mixed = states[0].Settings.As<IMixable>("makes no adapter that can be mixed").Mix(name, [.. states.Zip(adapters, (state, part) => (state, part.Weight))], options ?? new());
                return (TunedModelFactory.AddAdapter(_host.Model, mixed.Settings, mixed.Tensors, key), mixed.Settings);
            }
            finally
            {
                Array.ForEach(states, state => state.Dispose());
            }
        });
    }

    /// <summary>
    /// Folds an adapter into the base's weights, so that it costs nothing any more. It becomes the active one; others wait for
    /// <see cref="Unmerge"/>. The merge begins when no call runs, and calls wait for its end.
    /// </summary>
    /// <param name="adapter">The adapter.</param>
    /// <exception cref="InvalidOperationException">It was removed or replaced, or another one is merged.</exception>
    /// <exception cref="NotSupportedException">It is of a kind that cannot be merged.</exception>
    public void Merge(PeftAdapter adapter) => _host.Merge(Given(adapter));

    /// <summary>The names, the active one marked.</summary>
    /// <returns>The names in a line.</returns>
    public override string ToString() => Names is { Count: > 0 } names
        ? $"adapters: {string.Join(", ", names.Select(name => name == Active?.Name ? $"{name} ({(Merged is null ? "active" : "merged")})" : name))}"
        : "no adapters";

    /// <summary>Takes the merge back, to the bit; the adapter stays active.</summary>
    public void Unmerge() => _host.Unmerge();

    private Func<string, (ITuner, TunerOptions)> Open(string path, bool allowOtherBase)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return key =>
        {
            using AdapterState state = AdapterFiles.Open(path, _host.Model.Model.Config, _baseHash, allowOtherBase);
            ITensorSource tensors = AdapterLabels.Match(state, _host.Model.Head, _labels, _warn);
            return (TunedModelFactory.AddAdapter(_host.Model, state.Settings, tensors, key, _warn), state.Settings);
        };
    }

    private static string Given(string name) => string.IsNullOrWhiteSpace(name) || name.Contains('\n', StringComparison.Ordinal)
        ? throw new ArgumentException("An adapter's name is a line of text.", nameof(name)) : name;

    private static PeftAdapter Given(PeftAdapter adapter) => adapter ?? throw new ArgumentNullException(nameof(adapter));
}
