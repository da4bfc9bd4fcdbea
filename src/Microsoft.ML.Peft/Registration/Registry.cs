namespace Microsoft.ML.Peft.Registration;

/// <summary>What one assembly brings.</summary>
/// <param name="assembly">Its simple name.</param>
internal sealed class Registry(string assembly)
{
    private readonly List<Registered> _entries = [];

    public string Assembly { get; } = assembly;

    /// <exception cref="ArgumentException">Something of the kind has the key already.</exception>
    public void Add<T>(T entry)
        where T : Registered
    {
        if (All<T>().FirstOrDefault(known => known.Key == entry.Key) is { } taken)
            throw new ArgumentException($"{Assembly} registers {taken.Type} and {entry.Type} under one key, '{entry.Key}'.", nameof(entry));
        _entries.Add((Registered)entry with { Assembly = Assembly });
    }

    public IEnumerable<T> All<T>()
        where T : Registered => _entries.OfType<T>();
}
