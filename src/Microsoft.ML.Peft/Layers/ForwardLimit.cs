using TorchSharp;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// How many forward passes run at once. On a CPU each pass has a team of threads, and OpenMP keeps one for each thread that
/// calls; a pass alone leaves cores idle between its operations, and more than two for each core only hold more memory.
/// </summary>
/// <param name="device">Where the model lies; on a GPU passes go into one stream anyway, and there is no limit by default.</param>
internal sealed class ForwardLimit(DeviceType device)
{
    // Models without a limit of their own share the machine.
    private static readonly Turns s_machine = new();

    private readonly Turns _own = new();
    private volatile int _most;

    /// <summary>Two for each core.</summary>
    public static int OfMachine => 2 * Environment.ProcessorCount;

    /// <summary>Passes of this model at once; null for two for each core, together with other models.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is below 1.</exception>
    public int? MaxConcurrentForwards
    {
        get => _most == 0 ? null : _most;
        set
        {
            if (value is { } most)
                ArgumentOutOfRangeException.ThrowIfLessThan(most, 1, nameof(MaxConcurrentForwards));
            _most = value ?? 0;
        }
    }

    /// <summary>Waits for the pass's turn, which ends with the result; null where there is no limit.</summary>
    public IDisposable? Enter() => MaxConcurrentForwards is { } most ? _own.Enter(most) : device == DeviceType.CPU ? s_machine.Enter(OfMachine) : null;

    private sealed class Turns
    {
        private readonly object _lock = new();
        private int _running;

        public IDisposable Enter(int most)
        {
            lock (_lock)
            {
                while (_running >= most)
                    Monitor.Wait(_lock);
                _running++;
            }
            return new Turn(this);
        }

        private sealed class Turn(Turns turns) : IDisposable
        {
            public void Dispose()
            {
                lock (turns._lock)
                {
                    turns._running--;
                    Monitor.Pulse(turns._lock);
                }
            }
        }
    }
}
