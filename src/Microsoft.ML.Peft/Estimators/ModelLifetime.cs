namespace Microsoft.ML.Peft.Estimators;

/// <summary>
/// Decides when a transformer's model goes. <c>PredictionEngine.Dispose</c> disposes its transformer, once for each engine
/// over it, but never the row that the engine reads. So from the first disposal on nothing new starts, rows that are there
/// go on, and the model goes when there were as many disposals as rows, or when the rows are collected; never under a call.
/// </summary>
internal sealed class ModelLifetime(IDisposable model, string name) : IDisposable
{
    private readonly object _lock = new();
    private int _rows, _rowsAlive, _disposals, _calls;
    private bool _released;

    private bool Closed => _disposals > 0 && (_rowsAlive == 0 || _disposals >= _rows);

    /// <summary>Keeps the model for a call.</summary>
    /// <exception cref="ObjectDisposedException">The model is gone, or about to go.</exception>
    public IDisposable Enter()
    {
        lock (_lock)
        {
            ThrowIf(Closed);
            _calls++;
        }
        return new Call(this);
    }

    /// <summary>Keeps the model for a row, until the row is disposed or collected.</summary>
    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public IDisposable Hold()
    {
        lock (_lock)
        {
            ThrowIfDisposed();
            _rows++;
            _rowsAlive++;
        }
        return new Row(this);
    }

    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public void Check()
    {
        lock (_lock)
            ThrowIfDisposed();
    }

    /// <summary>The transformer's disposal, by its owner or by an engine.</summary>
    public void Dispose() => Change(() => _disposals++);

    private void ThrowIfDisposed() => ThrowIf(_disposals > 0);

    private void ThrowIf(bool gone)
    {
        if (gone)
            throw new ObjectDisposedException(name);
    }

    private void Change(Action change)
    {
        lock (_lock)
        {
            change();
            if (!Closed || _calls > 0 || _released)
                return;
            _released = true;
        }
        model.Dispose();
    }

    private sealed class Call(ModelLifetime owner) : IDisposable
    {
        public void Dispose() => owner.Change(() => owner._calls--);
    }

    private sealed class Row(ModelLifetime owner) : IDisposable
    {
        private bool _disposed;

        // An engine never disposes its row.
        ~Row() => owner.Change(() => owner._rowsAlive--);

        public void Dispose()
        {
            if (_disposed)
                return;
            _disposed = true;
            GC.SuppressFinalize(this);
            owner.Change(() =>
            {
                owner._rows--;
                owner._rowsAlive--;
            });
        }
    }
}
