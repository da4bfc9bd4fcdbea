using System.Runtime.InteropServices;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>
/// Decides when a transformer's model goes. <c>PredictionEngine.Dispose</c> disposes its transformer, once for each engine
/// over it, but never the row that the engine reads; so a disposal says nothing of who else is there, and a second one no more
/// than the first. From then on nothing new starts, and the model goes when no call runs and the last row was disposed or
/// collected: at once where there is none, never under a call, never on the finalizer's thread.
/// </summary>
internal sealed class ModelLifetime(IDisposable model, string name) : IDisposable
{
    private static int s_pending;

    private readonly object _lock = new();
    private int _rows, _calls;
    private bool _disposed, _released;
    // While it waits for rows to be collected, so that nothing of the model is finalized before it is freed.
    private GCHandle _waits;

    /// <summary>Models that the pool is yet to free; for tests of lifetimes.</summary>
    public static int Pending => Volatile.Read(ref s_pending);

    private IDisposable Model => model;

    /// <summary>Keeps the model for a call.</summary>
    /// <exception cref="ObjectDisposedException">The model is gone, or about to go.</exception>
    public IDisposable Enter()
    {
        lock (_lock)
        {
            ThrowIf(_disposed && _rows == 0);
            _calls++;
        }
        return new Use(this, () => _calls--);
    }

    /// <summary>Keeps the model for a row, until the row is disposed or collected.</summary>
    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public IDisposable Hold()
    {
        lock (_lock)
        {
            ThrowIf(_disposed);
            _rows++;
        }
        return new Row(this);
    }

    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public void Check()
    {
        lock (_lock)
            ThrowIf(_disposed);
    }

    /// <summary>The transformer's disposal, by its owner or by an engine, or by both.</summary>
    public void Dispose() => Change(() =>
    {
        if (!_disposed)
            _waits = GCHandle.Alloc(this);
        _disposed = true;
    });

    private void ThrowIf(bool gone)
    {
        if (gone)
            throw new ObjectDisposedException(name);
    }

    private void Change(Action change)
    {
        if (Ends(change))
            Model.Dispose();
    }

    private bool Ends(Action change)
    {
        lock (_lock)
        {
            change();
            if (!_disposed || _rows > 0 || _calls > 0 || _released)
                return false;
            _released = true;
            _waits.Free();
            return true;
        }
    }

    private sealed class Use(ModelLifetime owner, Action end) : IDisposable
    {
        public void Dispose() => owner.Change(end);
    }

    private sealed class Row(ModelLifetime owner) : IDisposable
    {
        private bool _disposed;

        // An engine never disposes its row.
        ~Row()
        {
            if (!owner.Ends(() => owner._rows--))
                return;
            Interlocked.Increment(ref s_pending);
            ThreadPool.UnsafeQueueUserWorkItem(Free, owner.Model, preferLocal: false);
        }

        public void Dispose()
        {
            if (_disposed)
                return;
            _disposed = true;
            GC.SuppressFinalize(this);
            owner.Change(() => owner._rows--);
        }

        private static void Free(IDisposable model)
        {
            model.Dispose();
            Interlocked.Decrement(ref s_pending);
        }
    }
}
