using System.Runtime.InteropServices;
using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>
/// Who is in a model: calls beside each other, changes of the base alone, rows of prediction engines that may call; and when the model
/// goes. The one type that locks; docs/architecture.md draws its states. No lock is held while a model runs.
/// </summary>
/// <remarks>
/// <c>PredictionEngine.Dispose</c> disposes its transformer, once for each engine over it, but never the row that the engine
/// reads; so a disposal says nothing of who else is there, and a second one no more than the first. From the first one on nothing
/// new starts, and the model goes when no call runs and the last row was disposed or collected: at once where there is none, never
/// under a call, never on the finalizer's thread.
/// </remarks>
/// <param name="owner">The public type that an <see cref="ObjectDisposedException"/> names.</param>
/// <param name="free">Frees the model.</param>
internal sealed class ModelGate(string owner, Action free) : IDisposable
{
    private static int s_pending;

    private readonly object _lock = new();
    // Changes come one after another; calls do not wait for them.
    private readonly object _changing = new();
    // Who is there.
    private int _calls, _changes, _rows;
    // Closed while the base changes or is about to; who waits before it, and who of those goes before the next change.
    private bool _closed;
    private int _waiting, _admitted;
    private bool _disposed, _freed;
    // While rows are yet to be collected, so that nothing of the model is finalized before it is freed.
    private GCHandle _root;

    /// <summary>Models that the pool is yet to free; for tests of lifetimes.</summary>
    public static int Pending => Volatile.Read(ref s_pending);

    /// <exception cref="ObjectDisposedException">The owner was disposed.</exception>
    public void Check()
    {
        lock (_lock)
            ThrowIf(_disposed);
    }

    /// <summary>Reads or changes what the lock guards.</summary>
    public T Locked<T>(Func<T> read)
    {
        lock (_lock)
            return read();
    }

    /// <summary>Changes what the lock guards.</summary>
    public void Locked(Action change)
    {
        lock (_lock)
            change();
    }

    /// <summary>Begins a call; waits while the base changes.</summary>
    /// <param name="begin">Notes, under the lock, what the call uses.</param>
    /// <exception cref="ObjectDisposedException">The model is gone, or about to go.</exception>
    public T Enter<T>(Func<T> begin)
    {
        lock (_lock)
        {
            WaitUntilOpen();
            return Begin(begin);
        }
    }

    /// <summary>The same for who must not wait, as others wait for what it holds: null while the base changes or is about to.</summary>
    /// <inheritdoc cref="Enter" path="/exception"/>
    public T? TryEnter<T>(Func<T> begin)
        where T : class
    {
        lock (_lock)
            return _closed ? null : Begin(begin);
    }

    /// <summary>Begins a call within a change: the gate is its own.</summary>
    public T EnterWithin<T>(Func<T> begin)
    {
        lock (_lock)
            return Begin(begin);
    }

    /// <summary>Ends a call.</summary>
    public void Exit(Action end) => Leave(() =>
    {
        _calls--;
        end();
        Monitor.PulseAll(_lock);
    });

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

    /// <summary>Runs a change after those that came before.</summary>
    /// <exception cref="ObjectDisposedException">The model is gone, or about to go.</exception>
    public T Change<T>(Func<T> change)
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

    /// <summary>Within a change, runs what must have the model for itself.</summary>
    public void Alone(Action change)
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

    /// <summary>Refuses new uses; the model goes when nobody is there any more. Again it does nothing.</summary>
    public void Dispose() => Leave(() =>
    {
        if (!_disposed)
            _root = GCHandle.Alloc(this);
        _disposed = true;
    });

    private T Begin<T>(Func<T> begin)
    {
        ThrowIfGone();
        T begun = begin();
        _calls++;
        return begun;
    }

    private void WaitUntilOpen()
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

    // Whoever leaves last frees the model, outside the lock.
    private void Leave(Action leave)
    {
        if (IsLast(leave))
            free();
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

    private void ThrowIfGone() => ThrowIf(_disposed && _rows == 0);

    private void ThrowIf(bool gone)
    {
        if (gone)
            throw new ObjectDisposedException(owner);
    }

    private void FreeLater()
    {
        Interlocked.Increment(ref s_pending);
        ThreadPool.UnsafeQueueUserWorkItem(
            gate =>
            {
                gate.FreeNow();
                Interlocked.Decrement(ref s_pending);
            }, this, preferLocal: false);
    }

    private void FreeNow() => free();

    private sealed class EngineRow(ModelGate gate) : IDisposable
    {
        private int _disposed;

        // An engine never disposes its row.
        ~EngineRow()
        {
            if (gate.IsLast(() => gate._rows--))
                gate.FreeLater();
        }

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) != 0)
                return;
            GC.SuppressFinalize(this);
            gate.Leave(() => gate._rows--);
        }
    }
}
