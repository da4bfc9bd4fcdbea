using System.Reflection;

namespace Microsoft.ML.Peft.Registration;

/// <summary>What the assemblies in use bring. An assembly is asked once, by whoever has a type of it, or its name from an archive.</summary>
internal sealed class Registries
{
    private readonly object _gate = new();
    private volatile IReadOnlyList<(Assembly Assembly, Registry Registry)> _known = [];

    /// <summary>The process's; this library is always among them.</summary>
    public static Registries Shared { get; } = new(typeof(Registries).Assembly);

    public Registries(params Assembly[] assemblies)
    {
        foreach (Assembly assembly in assemblies)
            Include(assembly);
    }

    /// <summary>What an assembly brings; nothing where it names no registration.</summary>
    public Registry Include(Assembly assembly)
    {
        lock (_gate)
        {
            if (_known.FirstOrDefault(known => known.Assembly == assembly).Registry is { } known)
                return known;
            var registry = new Registry(assembly.GetName().Name!);
            assembly.GetCustomAttribute<RegistrationAttribute>()?.Create().Register(registry);
            _known = [.. _known, (assembly, registry)];
            return registry;
        }
    }

    public IEnumerable<T> All<T>()
        where T : Registered => _known.SelectMany(known => known.Registry.All<T>());

    /// <summary>What a type is registered as.</summary>
    /// <exception cref="InvalidOperationException">Its assembly does not register it.</exception>
    public T Of<T>(Type type)
        where T : Registered => Include(type.Assembly).All<T>().FirstOrDefault(entry => entry.Type == type)
        ?? throw new InvalidOperationException($"{type} is not registered by its assembly, {type.Assembly.GetName().Name}.");

    /// <summary>What is registered under a key.</summary>
    /// <param name="kind">What the kind of thing is called.</param>
    /// <param name="key">The key.</param>
    /// <exception cref="InvalidDataException">Nothing is.</exception>
    public T Find<T>(string kind, string key)
        where T : Registered => All<T>().FirstOrDefault(entry => entry.Key == key)
        ?? throw new InvalidDataException($"Unknown {kind} '{key}'; known are {string.Join(", ", All<T>().Select(entry => entry.Key).Order())}.");
}
