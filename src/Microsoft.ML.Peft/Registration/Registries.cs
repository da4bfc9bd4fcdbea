using System.Reflection;

namespace Microsoft.ML.Peft.Registration;

/// <summary>What the assemblies in use bring. An assembly is asked once, by whoever has a type of it, or its name from an archive.</summary>
internal sealed class Registries
{
    /// <summary>This library, whose keys stood in archives before assemblies did.</summary>
    public const string Library = "Microsoft.ML.Peft";

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

    /// <summary>What is registered under a key, by an assembly that is loaded for it.</summary>
    /// <param name="kind">What the kind of thing is called.</param>
    /// <param name="key">The key.</param>
    /// <param name="assembly">The assembly's simple name.</param>
    /// <exception cref="InvalidDataException">Nothing is.</exception>
    /// <exception cref="FileNotFoundException">The assembly is not there.</exception>
    public T Find<T>(string kind, string key, string assembly = Library)
        where T : Registered
    {
        T[] all = [.. Named(assembly, $"{kind} '{key}'").All<T>()];
        return Array.Find(all, entry => entry.Key == key) ?? throw new InvalidDataException(
            $"Unknown {kind} '{key}'; {(all.Length == 0 ? $"{assembly} has none" : $"known are {string.Join(", ", all.Select(entry => entry.Key).Order())}")}.");
    }

    private Registry Named(string assembly, string what)
    {
        if (_known.FirstOrDefault(known => known.Registry.Assembly == assembly).Registry is { } known)
            return known;
        try
        {
            return Include(Assembly.Load(new AssemblyName(assembly)));
        }
        catch (Exception e) when (e is IOException or BadImageFormatException or ArgumentException)
        {
            throw new FileNotFoundException(
                $"The {what} is of the assembly '{assembly}', which cannot be loaded: let the program reference it. {e.Message}", assembly, e);
        }
    }
}
