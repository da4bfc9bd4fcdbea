using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>
/// The named adapters on one base. Calls take a lease on what they use: an adapter that is removed meanwhile lives until they
/// ended. No lock is held while a model runs; a merge, which changes the base itself, waits until no call runs, and calls wait
/// for it.
/// </summary>
internal sealed class AdapterSet : IDisposable
{
    private readonly object _lock = new();
    // Changes come one after another; calls do not wait for them.
    private readonly object _changing = new();
    private readonly Dictionary<string, PeftAdapter> _adapters = new(StringComparer.Ordinal);
    private readonly HashSet<string> _keys;
    private PeftAdapter? _active, _merged;
    private int _calls, _generation;
    private bool _closed;

    /// <param name="model">The model, which the set owns.</param>
    /// <param name="adapters">What is there from the start.</param>
    /// <param name="active">The name of the active one; null for the bare base.</param>
    public AdapterSet(TunedModel model, IEnumerable<PeftAdapter> adapters, string? active)
    {
        Model = model;
        foreach (PeftAdapter adapter in adapters)
            _adapters.Add(adapter.Name, adapter);
        // The trained one has its slots for good, listed or not.
        _keys = [ForwardContext.DefaultAdapter, .. _adapters.Values.Select(adapter => adapter.Key)];
        _active = active is null ? null : Find(active);
    }

    public TunedModel Model { get; }

    public IReadOnlyList<PeftAdapter> All
    {
        get
        {
            lock (_lock)
                return [.. _adapters.Values.OrderBy(adapter => adapter.Name, StringComparer.Ordinal)];
        }
    }

    public PeftAdapter? Active => Volatile.Read(ref _active);

    public PeftAdapter? Merged => Volatile.Read(ref _merged);

    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public PeftAdapter Get(string name)
    {
        lock (_lock)
            return Find(name);
    }

    public bool Has(string name)
    {
        lock (_lock)
            return _adapters.ContainsKey(name);
    }

    /// <summary>Begins a call.</summary>
    /// <param name="names">The adapter of each row; null or empty for the active one.</param>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    /// <exception cref="InvalidOperationException">Another one is merged into the base.</exception>
    public AdapterLease Enter(params string?[] names)
    {
        lock (_lock)
        {
            while (_closed)
                Monitor.Wait(_lock);
            PeftAdapter?[] chosen = [.. names.Select(name => string.IsNullOrEmpty(name) ? _active : Find(name))];
            if (_merged is not null && chosen.Any(adapter => adapter != _merged))
                throw Blocked(chosen.First(adapter => adapter != _merged));
            return Lease(chosen);
        }
    }

    /// <summary>Keeps given adapters, be they merged or not, for a call that saves them.</summary>
    /// <exception cref="InvalidOperationException">One was removed or replaced.</exception>
    public AdapterLease Hold(params PeftAdapter[] adapters)
    {
        lock (_lock)
        {
            while (_closed)
                Monitor.Wait(_lock);
            Array.ForEach(adapters, CheckCurrent);
            return Lease(adapters);
        }
    }

    /// <summary>Keeps all adapters.</summary>
    public AdapterLease HoldAll()
    {
        lock (_lock)
        {
            while (_closed)
                Monitor.Wait(_lock);
            return Lease([.. All]);
        }
    }

    /// <summary>Publishes a new adapter.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="replaced">The one that it takes the place of; null where the name is new.</param>
    /// <param name="make">Attaches it under a key; nobody uses that before this method returns.</param>
    /// <exception cref="ArgumentException">The name is taken, or empty.</exception>
    /// <exception cref="InvalidOperationException">The replaced one is stale or merged.</exception>
    public PeftAdapter Add(string name, PeftAdapter? replaced, Func<string, (ITuner Tuner, TunerOptions Settings)> make)
    {
        lock (_changing)
        {
            CheckFree(name, replaced);
            // Names are not used again in slots: those of older calls may still be there.
            string key = _keys.Add(name) ? name : $"{name}\n{++_generation}";
            using IDisposable modes = Gradients.AsByDefault();
            (ITuner tuner, TunerOptions settings) = make(key);
            var adapter = new PeftAdapter(name, key, tuner, settings);
            lock (_lock)
            {
                if (replaced is not null)
                    replaced.IsCurrent = false;
                _adapters[name] = adapter;
                if (replaced is not null && _active == replaced)
                    _active = adapter;
            }
            FreeUnused(replaced);
            return adapter;
        }
    }

    public void Remove(PeftAdapter adapter)
    {
        lock (_changing)
        {
            lock (_lock)
            {
                CheckCurrent(adapter);
                CheckUnmerged(adapter);
                adapter.IsCurrent = false;
                _adapters.Remove(adapter.Name);
                if (_active == adapter)
                    _active = null;
            }
            FreeUnused(adapter);
        }
    }

    public void Activate(PeftAdapter? adapter)
    {
        lock (_lock)
        {
            if (adapter is not null)
                CheckCurrent(adapter);
            if (_merged is not null && _merged != adapter)
                throw Blocked(adapter);
            _active = adapter;
        }
    }

    /// <summary>Folds an adapter into the base, which is its alone until <see cref="Unmerge"/>.</summary>
    public void Merge(PeftAdapter adapter)
    {
        lock (_changing)
        {
            CheckCurrent(adapter);
            if (_merged == adapter)
                return;
            if (_merged is not null)
                throw Blocked(adapter);
            Alone(() =>
            {
                if (!adapter.Tuner.TryMerge())
                    throw new NotSupportedException($"Adapter '{adapter.Name}' is of a kind that cannot be merged.");
                (_merged, _active) = (adapter, adapter);
            });
        }
    }

    public void Unmerge()
    {
        lock (_changing)
        {
            Alone(() =>
            {
                _merged?.Tuner.Unmerge();
                _merged = null;
            });
        }
    }

    /// <summary>Reads an adapter and the base as it is without a merge; no call runs meanwhile if there is one.</summary>
    /// <exception cref="InvalidOperationException">The adapter was removed or replaced.</exception>
    public void WithPlainBase(PeftAdapter? adapter, Action read)
    {
        lock (_changing)
        {
            if (adapter is not null)
                CheckCurrent(adapter);
            if (_merged is not { } merged)
            {
                read();
                return;
            }
            Alone(() =>
            {
                merged.Tuner.Unmerge();
                try
                {
                    read();
                }
                finally
                {
                    merged.Tuner.TryMerge();
                }
            });
        }
    }

    /// <summary>Frees adapters and model; no call may run.</summary>
    public void Dispose()
    {
        foreach (PeftAdapter adapter in _adapters.Values.Where(adapter => !adapter.IsTrained))
            adapter.Tuner.Dispose();
        Model.Dispose();
    }

    public void Exit(IReadOnlyList<PeftAdapter> adapters)
    {
        lock (_lock)
        {
            _calls--;
            foreach (PeftAdapter adapter in adapters)
                adapter.Uses--;
            Monitor.PulseAll(_lock);
        }
        foreach (PeftAdapter adapter in adapters)
            FreeUnused(adapter);
    }

    private AdapterLease Lease(PeftAdapter?[] chosen)
    {
        PeftAdapter[] used = [.. chosen.OfType<PeftAdapter>().Distinct()];
        foreach (PeftAdapter adapter in used)
            adapter.Uses++;
        _calls++;
        return new AdapterLease(this, used, [.. chosen.Select(adapter => adapter?.Key)]);
    }

    private void Alone(Action change)
    {
        lock (_lock)
        {
            _closed = true;
            while (_calls > 0)
                Monitor.Wait(_lock);
        }
        try
        {
            using IDisposable modes = Gradients.AsByDefault();
            change();
        }
        finally
        {
            lock (_lock)
            {
                _closed = false;
                Monitor.PulseAll(_lock);
            }
        }
    }

    // Frees one that is out of the set once its last call ended: whoever sees both first does it, once.
    private void FreeUnused(PeftAdapter? adapter)
    {
        lock (_lock)
        {
            if (adapter is null || adapter.IsCurrent || adapter.IsTrained || adapter.Uses != 0)
                return;
            adapter.Uses = -1;
        }
        adapter.Tuner.Dispose();
    }

    private void CheckFree(string name, PeftAdapter? replaced)
    {
        lock (_lock)
        {
            if (replaced is null)
            {
                if (_adapters.ContainsKey(name))
                    throw new ArgumentException($"There is an adapter '{name}' already: replace it, or choose another name.", nameof(name));
                return;
            }
            CheckCurrent(replaced);
            CheckUnmerged(replaced);
        }
    }

    private void CheckUnmerged(PeftAdapter adapter)
    {
        if (_merged == adapter)
            throw new InvalidOperationException($"Adapter '{adapter.Name}' is merged into the base: unmerge it first.");
    }

    private static void CheckCurrent(PeftAdapter adapter)
    {
        if (!adapter.IsCurrent)
            throw new InvalidOperationException($"This handle of adapter '{adapter.Name}' is stale: the adapter was removed or replaced.");
    }

    private PeftAdapter Find(string name) => _adapters.TryGetValue(name, out PeftAdapter? adapter) ? adapter : throw new ArgumentException(
        $"There is no adapter '{name}'; known are {(_adapters.Count == 0 ? "none" : string.Join(", ", _adapters.Keys.Order(StringComparer.Ordinal)))}.", nameof(name));

    private InvalidOperationException Blocked(PeftAdapter? wanted) => new(
        $"Adapter '{_merged!.Name}' is merged into the base, so {(wanted is null ? "the bare base" : $"adapter '{wanted.Name}'")} cannot answer: unmerge first.");
}
