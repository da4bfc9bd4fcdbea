namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// What tuners put at one place of a model, by the adapter's name. The set is replaced whole, never changed: a forward that
/// runs meanwhile sees the old set or the new one, and waits for nobody.
/// </summary>
internal sealed class AdapterSlots<T>
    where T : class
{
    private readonly object _writing = new();
    private volatile IReadOnlyDictionary<string, T> _byAdapter = new Dictionary<string, T>();

    /// <summary>What the call's one adapter has here; null where it has nothing.</summary>
    public T? Of(ForwardContext context) => context.Adapter is { } adapter ? _byAdapter.GetValueOrDefault(adapter) : null;

    public void Attach(string adapter, T item)
    {
        lock (_writing)
            _byAdapter = new Dictionary<string, T>(_byAdapter) { [adapter] = item };
    }

    public void Detach(string adapter)
    {
        lock (_writing)
            _byAdapter = _byAdapter.Where(e => e.Key != adapter).ToDictionary(e => e.Key, e => e.Value);
    }
}
