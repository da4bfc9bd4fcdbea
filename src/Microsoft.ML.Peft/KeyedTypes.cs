using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft;

/// <summary>The types below <typeparamref name="T"/> by their stable key: a new one needs no list to be extended.</summary>
internal sealed class KeyedTypes<T>(Func<T, string> keyOf)
    where T : class
{
    private readonly Lazy<Dictionary<string, Type>> _types = new(() => typeof(T).Assembly.GetTypes()
        .Where(type => type.IsSubclassOf(typeof(T)) && !type.IsAbstract)
        .ToDictionary(type => keyOf(Create(type)), StringComparer.Ordinal));

    /// <summary>One of each, with its defaults.</summary>
    public IEnumerable<T> Samples => _types.Value.Values.Select(Create);

    /// <exception cref="InvalidDataException">The key is not known, or the JSON does not fit.</exception>
    public T Deserialize(string what, string key, JsonObject json)
    {
        if (!_types.Value.TryGetValue(key, out Type? type))
            throw new InvalidDataException($"Unknown {what} '{key}'; known are {string.Join(", ", _types.Value.Keys.Order())}.");
        try
        {
            return WithoutNulls((T)json.Deserialize(type, AnyText.Options)!);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"The settings of {what} '{key}' cannot be read: {e.Message}", e);
        }
    }

    // JSON may say null where the type does not.
    private static T WithoutNulls(T settings)
    {
        var nullability = new NullabilityInfoContext();
        PropertyInfo? bad = settings.GetType().GetProperties().FirstOrDefault(
            p => !p.PropertyType.IsValueType && nullability.Create(p).ReadState == NullabilityState.NotNull && p.GetValue(settings) is null);
        return bad is null ? settings : throw new JsonException($"'{bad.Name}' is null");
    }

    private static T Create(Type type) => (T)Activator.CreateInstance(type, nonPublic: true)!;
}
