using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>Owns what a fit makes on its way, and frees what nobody took over, the last first.</summary>
internal sealed class FitSession : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    /// <summary>What the process's heap held when the fit began; null where it does not say.</summary>
    public long? HeldBefore { get; } = ProcessHeap.Exists ? ProcessHeap.Instance.Held : null;

    public T Own<T>(T made)
        where T : IDisposable
    {
        _owned.Add(made);
        return made;
    }

    /// <summary>Another has what the session owned.</summary>
    public void Release(params ReadOnlySpan<IDisposable> taken)
    {
        foreach (IDisposable resource in taken)
            _owned.Remove(resource);
    }

    public void Dispose()
    {
        for (int i = _owned.Count - 1; i >= 0; i--)
            _owned[i].Dispose();
        _owned.Clear();
    }
}
