using System.Runtime.ExceptionServices;

namespace Microsoft.ML.Peft.Data;

/// <summary>Does something for each of some rows on the pool's threads, several at once, in their order.</summary>
internal sealed class RowWork : IThreadPoolWorkItem, IDisposable
{
    private readonly object _lock = new();
    private readonly int _count;
    private readonly Action<int> _work;
    private int _next, _running, _failedRow = int.MaxValue;
    private ExceptionDispatchInfo? _failure;

    /// <summary>Begins at once.</summary>
    /// <param name="count">How many rows there are.</param>
    /// <param name="work">What is done for each; it gets the row's number.</param>
    public RowWork(int count, Action<int> work)
    {
        (_count, _work) = (count, work);
        for (int thread = 0; thread < Math.Min(count, Environment.ProcessorCount); thread++)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>Helps with what is left, and waits for the others.</summary>
    /// <exception cref="Exception">What the first row threw that failed: no row behind it matters, and those before it were done.</exception>
    public void Finish()
    {
        Execute();
        Wait();
        _failure?.Throw();
    }

    /// <summary>Begins no further row, and waits for those that run.</summary>
    public void Dispose()
    {
        lock (_lock)
            _next = _count;
        Wait();
    }

    public void Execute()
    {
        while (Take() is { } row)
        {
            ExceptionDispatchInfo? failure = null;
            try
            {
                _work(row);
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
            Done(row, failure);
        }
    }

    private int? Take()
    {
        lock (_lock)
        {
            if (_next == _count)
                return null;
            _running++;
            return _next++;
        }
    }

    private void Done(int row, ExceptionDispatchInfo? failure)
    {
        lock (_lock)
        {
            if (failure is not null && row < _failedRow)
                (_failedRow, _failure, _next) = (row, failure, _count);
            _running--;
            Monitor.PulseAll(_lock);
        }
    }

    private void Wait()
    {
        lock (_lock)
        {
            while (_running > 0)
                Monitor.Wait(_lock);
        }
    }
}
