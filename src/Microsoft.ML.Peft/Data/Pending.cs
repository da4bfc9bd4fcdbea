namespace Microsoft.ML.Peft.Data;

/// <summary>What other threads have begun: it is finished on the caller's thread, or given up. Whoever has it disposes it.</summary>
/// <param name="finish">Waits for the others and does the rest.</param>
/// <param name="release">Stops what still runs and frees what nobody took; called in any case.</param>
internal sealed class Pending<T>(Func<T> finish, Action? release = null) : IDisposable
{
    /// <summary>What it gives; called once. What went wrong on other threads is thrown here.</summary>
    public T Finish() => finish();

    /// <summary>The same with a step behind it, on the caller's thread.</summary>
    public Pending<TNext> Then<TNext>(Func<T, TNext> next) => new(() => next(finish()), release);

    public void Dispose() => release?.Invoke();
}

/// <summary>Work that is begun one ahead of the one that is finished.</summary>
internal static class Lookahead
{
    /// <summary>Hands out each piece once the next has begun, and disposes it when the one behind it is asked for: two live at a time.</summary>
    public static IEnumerable<Pending<T>> OneAhead<T>(this IEnumerable<Pending<T>> begun)
    {
        using IEnumerator<Pending<T>> pieces = begun.GetEnumerator();
        Pending<T>? current = pieces.MoveNext() ? pieces.Current : null, next = null;
        try
        {
            while (current is not null)
            {
                next = pieces.MoveNext() ? pieces.Current : null;
                yield return current;
                current.Dispose();
                (current, next) = (next, null);
            }
        }
        finally
        {
            current?.Dispose();
            next?.Dispose();
        }
    }
}
