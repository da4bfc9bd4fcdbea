using System.Runtime.InteropServices;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>
/// A model that many use at once, with its named adapters: the one place that knows who uses it, which adapter a call gets, when the
/// base may change, and when the model goes. Whoever runs the model takes a <see cref="ModelLease"/> first; docs/architecture.md
/// draws the states. No lock is held while a model runs.
/// </summary>
/// <remarks>
/// <c>PredictionEngine.Dispose</c> disposes its transformer, once for each engine over it, but never the row that the engine
/// reads; so a disposal says nothing of who else is there, and a second one no more than the first. From the first one on nothing
/// new starts, and the model goes when no call runs and the last row was disposed or collected: at once where there is none, never
/// under a call, never on the finalizer's thread.
/// </remarks>
internal sealed class ModelHost : IDisposable
{
    private static int s_pending;

    private readonly object _lock = new();
    // Changes come one after another; calls do not wait for them.
    private readonly object _changing = new();
    private readonly AdapterTable _adapters;
    private readonly string _owner;
    // Who is there: calls that run the model, changes, and rows of prediction engines.
    private int _calls, _changes, _rows;
    // The gate: closed while the base changes or is about to; who waits before it, and who of those goes before the next change.
    private bool _closed;
    private int _waiting, _admitted;
    private bool _disposed, _freed;
    // While rows are yet to be collected, so that nothing of the model is finalized before it is freed.
    private GCHandle _root;

    /// <param name="model">The model, which the host owns.</param>
    /// <param name="adapters">Its adapters, which it owns too.</param>
    /// <param name="owner">The public type that an <see cref="ObjectDisposedException"/> names.</param>
    public ModelHost(TunedModel model, AdapterTable adapters, string owner)
    {
        (Model, _adapters, _owner) = (model, adapters, owner);
        Limit = new ForwardLimit(model.Model.Weights.Device.type);
    }

    /// <summary>A host of a base as it is.</summary>
    /// <param name="model">The base, which the host owns.</param>
    /// <param name="head">The head on it.</param>
    /// <param name="owner">The public type that an <see cref="ObjectDisposedException"/> names.</param>
    public static ModelHost Of(PretrainedModel model, Head head, string owner) =>
        new(new TunedModel(model, head, new FrozenOptions().Create()), new AdapterTable([], null), owner);

    /// <summary>Models that the pool is yet to free; for tests of lifetimes.</summary>
    public static int Pending => Volatile.Read(ref s_pending);

    public TunedModel Model { get; }

    /// <summary>How many forward passes run at once.</summary>
    public ForwardLimit Limit { get; }

    public IReadOnlyList<PeftAdapter> All => Locked(() => _adapters.All);

    public PeftAdapter? Active => Locked(() => _adapters.Active);

    public PeftAdapter? Merged => Locked(() => _adapters.Merged);

    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public PeftAdapter Get(string name) => Locked(() => _adapters.Find(name));

    public bool Has(string name) => Locked(() => _adapters.Has(name));

    /// <exception cref="ObjectDisposedException">The owner was disposed.</exception>
    public void Check()
    {
        lock (_lock)
            ThrowIf(_disposed);
    }

    /// <summary>Begins a call; waits while the base changes.</summary>
    /// <param name="rows">The adapter of each row, or one for all.</param>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    /// <exception cref="InvalidOperationException">Another one is merged into the base.</exception>
    /// <exception cref="ObjectDisposedException">The model is gone, or about to go.</exception>
    public ModelLease Enter(params AdapterChoice[] rows)
    {
        lock (_lock)
        {
            WaitForGate();
            return Lease(_adapters.Choose(rows));
        }
    }

    /// <summary>The same for who must not wait, as others wait for what it holds: null while the base changes or is about to.</summary>
    /// <inheritdoc cref="Enter" path="/exception"/>
    public ModelLease? TryEnter(params AdapterChoice[] rows)
    {
        lock (_lock)
            return _closed ? null : Lease(_adapters.Choose(rows));
    }

    /// <summary>Keeps given adapters, be they merged or not, for a call that reads them.</summary>
    /// <exception cref="InvalidOperationException">One was removed or replaced.</exception>
    public ModelLease Hold(params PeftAdapter[] adapters)
    {
        lock (_lock)
        {
            WaitForGate();
            Array.ForEach(adapters, AdapterTable.CheckCurrent);
            return Lease(adapters);
        }
    }

    /// <summary>Keeps all adapters.</summary>
    public ModelLease HoldAll()
    {
        lock (_lock)
        {
            WaitForGate();
            return Lease([.. _adapters.All]);
        }
    }

    /// <summary>Keeps the model for the row of a prediction engine, until the row is disposed or collected.</summary>
    /// <exception cref="ObjectDisposedException">The owner was disposed.</exception>
    public IDisposable KeepForRow()
    {
        lock (_lock)
        {
            ThrowIf(_disposed);
            _rows++;
        }
        return new EngineRow(this);
    }

    /// <summary>Publishes a new adapter.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="replaced">The one that it takes the place of; null where the name is new.</param>
    /// <param name="make">Attaches it under a key; nobody uses that before this method returns.</param>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    /// <exception cref="InvalidOperationException">The replaced one is stale or merged.</exception>
    public PeftAdapter Add(string name, PeftAdapter? replaced, Func<string, (ITuner Tuner, TunerOptions Settings)> make) => Change(() =>
    {
        string key = Locked(() => KeyFor(name, replaced));
        (ITuner tuner, TunerOptions settings) = make(key);
        var adapter = new PeftAdapter(name, key, tuner, settings);
        Locked(() => _adapters.Put(adapter, replaced));
        FreeUnused(replaced);
        return adapter;
    });

    public void Remove(PeftAdapter adapter) => Change(() =>
    {
        Locked(() => _adapters.Remove(adapter));
        FreeUnused(adapter);
    });

    public void Activate(PeftAdapter? adapter)
    {
        lock (_lock)
        {
            if (adapter is not null)
                AdapterTable.CheckCurrent(adapter);
            _adapters.CheckAnswers(adapter);
            _adapters.Active = adapter;
        }
    }

    /// <summary>Folds an adapter into the base, which is its alone until <see cref="Unmerge"/>.</summary>
    public void Merge(PeftAdapter adapter) => Change(() =>
    {
        AdapterTable.CheckCurrent(adapter);
        _adapters.CheckAnswers(adapter);
        if (_adapters.Merged == adapter)
            return;
        Alone(() =>
        {
            if (!adapter.Tuner.TryMerge())
                throw new NotSupportedException($"Adapter '{adapter.Name}' is of a kind that cannot be merged.");
            Locked(() => _adapters.Active = _adapters.Merged = adapter);
        });
    });

    public void Unmerge() => Change(() =>
    {
        if (_adapters.Merged is not { } merged)
            return;
        Alone(() =>
        {
            merged.Tuner.Unmerge();
            Locked(() => _adapters.Merged = null);
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
        Alone(() =>
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

        // The gate is this change's own.
        void Read()
        {
            using ModelLease lease = Locked(() => Lease(adapter is null ? [] : [adapter], [adapter?.Key ?? ForwardContext.DefaultAdapter]));
            read(lease);
        }
    });

    /// <summary>Ends a call.</summary>
    public void Exit(IReadOnlyList<PeftAdapter> used)
    {
        Leave(() =>
        {
            _calls--;
            foreach (PeftAdapter adapter in used)
                adapter.Uses--;
            Monitor.PulseAll(_lock);
        });
        foreach (PeftAdapter adapter in used)
            FreeUnused(adapter);
    }

    /// <summary>Refuses new uses; the model goes when nobody is there any more. Again it does nothing.</summary>
    public void Dispose() => Leave(() =>
    {
        if (!_disposed)
            _root = GCHandle.Alloc(this);
        _disposed = true;
    });

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
        ThrowIfGone();
        foreach (PeftAdapter adapter in used)
            adapter.Uses++;
        _calls++;
        return new ModelLease(this, used, keys);
    }

    private void WaitForGate()
    {
        if (!_closed)
            return;
        _waiting++;
        while (_closed)
            Monitor.Wait(_lock);
        _waiting--;
        if (--_admitted == 0)
            Monitor.PulseAll(_lock);
    }

    // With nobody else in the model. Within a change.
    private void Alone(Action change)
    {
        lock (_lock)
        {
            // Who waited for the change before goes first: changes in a row would keep calls waiting for ever.
            while (_admitted > 0)
                Monitor.Wait(_lock);
            _closed = true;
            while (_calls > 0)
                Monitor.Wait(_lock);
        }
        try
        {
            change();
        }
        finally
        {
            lock (_lock)
            {
                (_closed, _admitted) = (false, _waiting);
                Monitor.PulseAll(_lock);
            }
        }
    }

    private void Change(Action change) => Change(() =>
    {
        change();
        return true;
    });

    private T Change<T>(Func<T> change)
    {
        lock (_changing)
        {
            lock (_lock)
            {
                ThrowIfGone();
                _changes++;
            }
            try
            {
                using IDisposable modes = Gradients.AsByDefault();
                return change();
            }
            finally
            {
                Leave(() => _changes--);
            }
        }
    }

    // Whoever leaves last frees the model, outside the lock.
    private void Leave(Action leave)
    {
        if (IsLast(leave))
            Free();
    }

    private bool IsLast(Action leave)
    {
        lock (_lock)
        {
            leave();
            if (!_disposed || _freed || _calls + _changes + _rows > 0)
                return false;
            _freed = true;
            _root.Free();
            return true;
        }
    }

    private void Free()
    {
        foreach (PeftAdapter adapter in _adapters.All.Where(adapter => !adapter.IsTrained))
            adapter.Tuner.Dispose();
        Model.Dispose();
    }

    // Frees one that is out of the table once its last call ended: whoever sees both first does it, once.
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

    private T Locked<T>(Func<T> read)
    {
        lock (_lock)
            return read();
    }

    private void Locked(Action change)
    {
        lock (_lock)
            change();
    }

    private void ThrowIfGone() => ThrowIf(_disposed && _rows == 0);

    private void ThrowIf(bool gone)
    {
        if (gone)
            throw new ObjectDisposedException(_owner);
    }

    private sealed class EngineRow(ModelHost host) : IDisposable
    {
        private int _disposed;

        // An engine never disposes its row.
        ~EngineRow()
        {
            if (!host.IsLast(() => host._rows--))
                return;
            Interlocked.Increment(ref s_pending);
            ThreadPool.UnsafeQueueUserWorkItem(Free, host, preferLocal: false);
        }

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) != 0)
                return;
            GC.SuppressFinalize(this);
            host.Leave(() => host._rows--);
        }

        private static void Free(ModelHost host)
        {
            host.Free();
            Interlocked.Decrement(ref s_pending);
        }
    }
}
