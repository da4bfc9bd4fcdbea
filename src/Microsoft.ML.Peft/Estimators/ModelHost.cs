using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>
/// A model that many use at once, with its named adapters: it knows which adapter a call gets, when the base may change, and, by its
/// <see cref="ModelGate"/>, who is there. Whoever runs the model takes a <see cref="ModelLease"/> first.
/// </summary>
internal sealed class ModelHost : IDisposable
{
    private readonly ModelGate _gate;
    private readonly AdapterTable _adapters;

    /// <param name="model">The model, which the host owns.</param>
    /// <param name="adapters">Its adapters, which it owns too.</param>
    /// <param name="owner">The public type that an <see cref="ObjectDisposedException"/> names.</param>
    public ModelHost(TunedModel model, AdapterTable adapters, string owner)
    {
        (Model, _adapters, _gate) = (model, adapters, new ModelGate(owner, Free));
        Limit = new ForwardLimit(model.Model.Weights.Device.type);
    }

    /// <summary>A host of a base as it is.</summary>
    /// <param name="model">The base, which the host owns.</param>
    /// <param name="head">The head on it.</param>
    /// <param name="owner">The public type that an <see cref="ObjectDisposedException"/> names.</param>
    public static ModelHost Of(PretrainedModel model, Head head, string owner) =>
        new(new TunedModel(model, head, new FrozenOptions().Create()), new AdapterTable([], null), owner);

    public TunedModel Model { get; }

    /// <summary>How many forward passes run at once.</summary>
    public ForwardLimit Limit { get; }

    public IReadOnlyList<PeftAdapter> All => _gate.Locked(() => _adapters.All);

    public PeftAdapter? Active => _gate.Locked(() => _adapters.Active);

    public PeftAdapter? Merged => _gate.Locked(() => _adapters.Merged);

    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public PeftAdapter Get(string name) => _gate.Locked(() => _adapters.Find(name));

    public bool Has(string name) => _gate.Locked(() => _adapters.Has(name));

    /// <inheritdoc cref="ModelGate.Check"/>
    public void Check() => _gate.Check();

    /// <summary>Begins a call; waits while the base changes.</summary>
    /// <param name="rows">The adapter of each row, or one for all.</param>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    /// <exception cref="InvalidOperationException">Another one is merged into the base.</exception>
    /// <exception cref="ObjectDisposedException">The model is gone, or about to go.</exception>
    public ModelLease Enter(params AdapterChoice[] rows) => _gate.Enter(() => Lease(_adapters.Choose(rows)));

    /// <summary>The same for who must not wait, as others wait for what it holds: null while the base changes or is about to.</summary>
    /// <inheritdoc cref="Enter" path="/exception"/>
    public ModelLease? TryEnter(params AdapterChoice[] rows) => _gate.TryEnter(() => Lease(_adapters.Choose(rows)));

    /// <summary>Keeps given adapters, be they merged or not, for a call that reads them.</summary>
    /// <exception cref="InvalidOperationException">One was removed or replaced.</exception>
    public ModelLease Hold(params PeftAdapter[] adapters) => _gate.Enter(() =>
    {
        Array.ForEach(adapters, AdapterTable.CheckCurrent);
        return Lease(adapters);
    });

    /// <summary>Keeps all adapters.</summary>
    public ModelLease HoldAll() => _gate.Enter(() => Lease([.. _adapters.All]));

    /// <inheritdoc cref="ModelGate.KeepForRow"/>
    public IDisposable KeepForRow() => _gate.KeepForRow();

    /// <summary>Publishes a new adapter.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="replaced">The one that it takes the place of; null where the name is new.</param>
    /// <param name="make">Attaches it under a key; nobody uses that before this method returns.</param>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    /// <exception cref="InvalidOperationException">The replaced one is stale or merged.</exception>
    public PeftAdapter Add(string name, PeftAdapter? replaced, Func<string, (ITuner Tuner, TunerOptions Settings)> make) => _gate.Change(() =>
    {
        string key = _gate.Locked(() => KeyFor(name, replaced));
        (ITuner tuner, TunerOptions settings) = make(key);
        var adapter = new PeftAdapter(name, key, tuner, settings);
        _gate.Locked(() => _adapters.Put(adapter, replaced));
        FreeUnused(replaced);
        return adapter;
    });

    public void Remove(PeftAdapter adapter) => Change(() =>
    {
        _gate.Locked(() => _adapters.Remove(adapter));
        FreeUnused(adapter);
    });

    public void Activate(PeftAdapter? adapter) => _gate.Locked(() =>
    {
        if (adapter is not null)
            AdapterTable.CheckCurrent(adapter);
        _adapters.CheckAnswers(adapter);
        _adapters.Active = adapter;
    });

    /// <summary>Folds an adapter into the base, which is its alone until <see cref="Unmerge"/>.</summary>
    public void Merge(PeftAdapter adapter) => Change(() =>
    {
        AdapterTable.CheckCurrent(adapter);
        _adapters.CheckAnswers(adapter);
        if (_adapters.Merged == adapter)
            return;
        _gate.Alone(() =>
        {
            if (!adapter.Tuner.TryMerge())
                throw new NotSupportedException($"Adapter '{adapter.Name}' is of a kind that cannot be merged.");
            _gate.Locked(() => _adapters.Active = _adapters.Merged = adapter);
        });
    });

    public void Unmerge() => Change(() =>
    {
        if (_adapters.Merged is not { } merged)
            return;
        _gate.Alone(() =>
        {
            merged.Tuner.Unmerge();
            _gate.Locked(() => _adapters.Merged = null);
        });
    });

    /// <summary>Reads an adapter and the base as it is without a merge; no other call runs meanwhile if there is one.</summary>
    /// <param name="adapter">The adapter; null for what was trained.</param>
    /// <param name="read">Gets a lease under which the model may run.</param>
    /// <exception cref="InvalidOperationException">The adapter was removed or replaced.</exception>
    public void WithPlainBase(PeftAdapter? adapter, Action<ModelLease> read) => Change(() =>
    {
        if (adapter is not null)
            AdapterTable.CheckCurrent(adapter);
        if (_adapters.Merged is not { } merged)
        {
            Read();
            return;
        }
        _gate.Alone(() =>
        {
            merged.Tuner.Unmerge();
            try
            {
                Read();
            }
            finally
            {
                merged.Tuner.TryMerge();
            }
        });

        void Read()
        {
            using ModelLease lease = _gate.EnterWithin(() => Lease(adapter is null ? [] : [adapter], [adapter?.Key ?? ForwardContext.DefaultAdapter]));
            read(lease);
        }
    });

    /// <summary>Ends a call.</summary>
    public void Exit(IReadOnlyList<PeftAdapter> used)
    {
        _gate.Exit(() =>
        {
            foreach (PeftAdapter adapter in used)
                adapter.Uses--;
        });
        foreach (PeftAdapter adapter in used)
            FreeUnused(adapter);
    }

    /// <inheritdoc cref="ModelGate.Dispose"/>
    public void Dispose() => _gate.Dispose();

    private string KeyFor(string name, PeftAdapter? replaced)
    {
        if (replaced is null)
            _adapters.CheckFree(name);
        else
            _adapters.CheckChanges(replaced);
        return _adapters.NewKey(name);
    }

    private ModelLease Lease(PeftAdapter?[] chosen) => Lease([.. chosen.OfType<PeftAdapter>().Distinct()], [.. chosen.Select(adapter => adapter?.Key)]);

    private ModelLease Lease(PeftAdapter[] used, string?[] keys)
    {
        foreach (PeftAdapter adapter in used)
            adapter.Uses++;
        return new ModelLease(this, used, keys);
    }

    private void Change(Action change) => _gate.Change(() =>
    {
        change();
        return true;
    });

    private void Free()
    {
        foreach (PeftAdapter adapter in _adapters.All.Where(adapter => !adapter.IsTrained))
            adapter.Tuner.Dispose();
        Model.Dispose();
    }

    // Frees one that is out of the table once its last call ended: whoever sees both first does it, once.
    private void FreeUnused(PeftAdapter? adapter)
    {
        if (adapter is null || !_gate.Locked(() => IsUnused(adapter)))
            return;
        adapter.Tuner.Dispose();
    }

    private static bool IsUnused(PeftAdapter adapter)
    {
        if (adapter.IsCurrent || adapter.IsTrained || adapter.Uses != 0)
            return false;
        adapter.Uses = -1;
        return true;
    }
}
