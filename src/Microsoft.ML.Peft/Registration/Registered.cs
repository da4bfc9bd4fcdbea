using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Registration;

/// <summary>Something that is found by a stable key.</summary>
/// <param name="Key">The key, of which an assembly has one for each kind of thing.</param>
/// <param name="Type">What it makes.</param>
internal abstract record Registered(string Key, Type Type)
{
    /// <summary>The simple name of the assembly that registered it; archives keep it beside the key.</summary>
    public string Assembly { get; init; } = "";
}

/// <summary>Settings that travel as JSON in archives.</summary>
internal abstract record RegisteredSettings(string Key, Type Type) : Registered(Key, Type)
{
    /// <exception cref="InvalidDataException">The JSON does not fit.</exception>
    protected object Read(string kind, JsonObject json)
    {
        try
        {
            return json.Deserialize(Type, AnyText.Options)!;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"The settings of {kind} '{Key}' cannot be read: {e.Message}", e);
        }
    }
}

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
