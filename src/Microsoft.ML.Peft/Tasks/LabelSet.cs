using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>The values behind a key-typed label, in key order and of their own type; empty for a task without labels.</summary>
internal sealed class LabelSet
{
    private static readonly IReadOnlyDictionary<string, PrimitiveDataViewType> Types = new PrimitiveDataViewType[]
    {
        TextDataViewType.Instance, NumberDataViewType.Single, NumberDataViewType.Double, NumberDataViewType.SByte,
        NumberDataViewType.Byte, NumberDataViewType.Int16, NumberDataViewType.UInt16, NumberDataViewType.Int32,
        NumberDataViewType.UInt32, NumberDataViewType.Int64, NumberDataViewType.UInt64, BooleanDataViewType.Instance,
    }.ToDictionary(type => type.ToString()!);

    /// <summary>The most classes that a task can have: a head's rows, and what an optimizer keeps of them, are memory.</summary>
    public const int MaxCount = 1_000_000;

    private const int Listed = 10;

    private static readonly JsonSerializerOptions s_json = new(AnyText.Options) { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    private readonly PrimitiveDataViewType _type;

    private LabelSet(IReadOnlyList<string> names, PrimitiveDataViewType type, bool hasValues = true) =>
        (Names, _type, HasValues) = (names, type, hasValues);

    public static LabelSet None { get; } = new([], TextDataViewType.Instance);

    /// <summary>The values as text.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>False for keys without values, which their index alone names.</summary>
    public bool HasValues { get; }

    public int Count => Names.Count;

    /// <summary>Those of several tasks, in their order; none for one task's own.</summary>
    public IReadOnlyList<LabelSet> Parts { get; private init; } = [];

    /// <summary>The labels of several tasks, which are none of one task's.</summary>
    public static LabelSet OfSeveral(IEnumerable<LabelSet> parts) => new([], TextDataViewType.Instance) { Parts = [.. parts] };

    /// <summary>False and true.</summary>
    public static LabelSet Booleans { get; } = new([bool.FalseString, bool.TrueString], BooleanDataViewType.Instance);

    public static LabelSet Text(IReadOnlyList<string> names) => new(names, TextDataViewType.Instance);

    /// <summary>The type of the values.</summary>
    public PrimitiveDataViewType Type => _type;

    /// <summary>Values of a type as text in the invariant culture.</summary>
    /// <exception cref="ArgumentException">They are of a type that an archive does not keep.</exception>
    public static LabelSet Of(PrimitiveDataViewType type, IReadOnlyList<string> names) => Types.ContainsKey(type.ToString()!)
        ? new LabelSet(names, type)
        : throw new ArgumentException($"Values of type {type} are not supported; supported are {string.Join(", ", Types.Keys)}.");

    /// <summary>A value as <see cref="Names"/> has it.</summary>
    public static string NameOf<T>(T value) => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";

    /// <summary>The values.</summary>
    /// <typeparam name="T">The raw type of <see cref="Type"/>.</typeparam>
    public T[] Values<T>() => [.. Names.Select(name => typeof(T) == typeof(ReadOnlyMemory<char>)
        ? (T)(object)name.AsMemory()
        : (T)Convert.ChangeType(name, typeof(T), CultureInfo.InvariantCulture))];

    /// <summary>Takes the values of a key column; keys without values are named by their index.</summary>
    /// <exception cref="ArgumentException">The column holds no keys, keys over values of an unknown type, or more keys than a task can have.</exception>
    public static LabelSet Of(DataViewSchema.Column column)
    {
        if (KeyTypeOf(column) is not { } key)
            throw new ArgumentException($"Column '{column.Name}' must hold keys (MapValueToKey makes them), but is {column.Type}.");
        if (key.Count > MaxCount)
        {
            throw new ArgumentException(
                $"Column '{column.Name}' has {key.Count} keys; a task can have {MaxCount} classes at most. MapValueToKey makes keys for the values alone that there are.");
        }
        var count = (int)key.Count;
        if (column.Annotations.Schema.GetColumnOrNull("KeyValues") is not { Type: VectorDataViewType { ItemType: var type, Size: var size } } || size != count)
            return new LabelSet([.. Enumerable.Range(0, count).Select(i => i.ToString(CultureInfo.InvariantCulture))], TextDataViewType.Instance, hasValues: false);
        if (!Types.ContainsKey(type.ToString()!))
            throw new ArgumentException($"Column '{column.Name}' has key values of type {type}, which is not supported.");
        return new LabelSet(Generic.Invoke<string[]>(Read<int>, type.RawType, column), type);
    }

    /// <summary>The type of a column of keys or of vectors of keys; null for any other.</summary>
    public static KeyDataViewType? KeyTypeOf(DataViewSchema.Column column) =>
        (column.Type is VectorDataViewType vector ? vector.ItemType : column.Type) as KeyDataViewType;

    /// <summary>Where each label stands among others, by its value; -1 for one that is not there.</summary>
    public int[] PlacesIn(LabelSet others)
    {
        if (HasValues != others.HasValues)
            return [.. Enumerable.Repeat(-1, Count)];
        if (Names.SequenceEqual(others.Names, StringComparer.Ordinal))
            return [.. Enumerable.Range(0, Count)];
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < others.Count; i++)
            places.TryAdd(others.Names[i], i);
        return [.. Names.Select(name => places.GetValueOrDefault(name, -1))];
    }

    /// <summary>Where each label stands among others that are the same set; null where they are not.</summary>
    public int[]? OrderIn(LabelSet others)
    {
        int[] places = PlacesIn(others);
        return Count == others.Count && !places.Contains(-1) && places.Distinct().Count() == Count ? places : null;
    }

    /// <summary>The labels for a message, the first ten of them.</summary>
    public override string ToString() => Parts.Count > 0 ? string.Join("; ", Parts) : HasValues ? List(Names) : $"{Count} keys without values";

    /// <summary>Labels for a message, the first ten of them.</summary>
    public static string List(IReadOnlyCollection<string> names) =>
        string.Join(", ", names.Take(Listed).Select(name => $"'{name}'")) + (names.Count > Listed ? $" and {names.Count - Listed} more" : "");

    /// <summary>Adds the values as key values to a column's annotations.</summary>
    public void Annotate(DataViewSchema.Annotations.Builder builder, string kind)
    {
        var vector = new VectorDataViewType(_type, Math.Max(1, Count));
        Generic.Invoke<bool>(Add<int>, _type.RawType, this, builder, kind, vector);
    }

    /// <summary>Writes the labels into a model's config.json.</summary>
    /// <exception cref="NotSupportedException">A label is no text that such a file holds.</exception>
    public void WriteConfig(JsonObject config)
    {
        if (Names.FirstOrDefault(name => !AnyText.IsWellFormed(name)) is { } bad)
            throw new NotSupportedException($"The label '{bad}' holds half of a surrogate pair, which a config.json cannot: save the model as an archive.");
        config["id2label"] = new JsonObject(Names.Select((name, id) => KeyValuePair.Create($"{id}", (JsonNode?)name)));
        // As transformers does, of two labels of one name the later counts.
        config["label2id"] = new JsonObject(Names.Select((name, id) => (name, id)).GroupBy(label => label.name, StringComparer.Ordinal)
            .Select(same => KeyValuePair.Create(same.Key, (JsonNode?)same.Last().id)));
    }

    public JsonObject ToJson() => JsonSerializer.SerializeToNode(new Saved(_type.ToString()!, Names) { HasValues = HasValues, Parts = Parts.Count == 0 ? null : [.. Parts.Select(part => part.ToJson())] }, s_json)!.AsObject();

    /// <exception cref="InvalidDataException">The JSON does not describe labels.</exception>
    public static LabelSet FromJson(JsonObject json)
    {
        try
        {
            return json.Deserialize<Saved>(s_json) is { Type: { } type, Names: { } names } saved && Types.TryGetValue(type, out var known) && !names.Contains(null!) && saved.Parts?.Contains(null!) != true
                ? new LabelSet(names, known, saved.HasValues) { Parts = [.. (saved.Parts ?? []).Select(FromJson)] }
                : throw new InvalidDataException("The labels are not a list of names of a known type.");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"The labels cannot be read: {e.Message}", e);
        }
    }

    private static string[] Read<T>(DataViewSchema.Column column)
    {
        VBuffer<T> values = default;
        column.Annotations.GetValue("KeyValues", ref values);
        return [.. values.DenseValues().Select(value => NameOf(value))];
    }

    private static bool Add<T>(LabelSet labels, DataViewSchema.Annotations.Builder builder, string kind, VectorDataViewType vector)
    {
        T[] values = labels.Values<T>();
        builder.Add(kind, vector, (ref VBuffer<T> buffer) => buffer = new VBuffer<T>(values.Length, values));
        return true;
    }

    /// <summary>The form in an archive.</summary>
    private sealed record Saved(string Type, IReadOnlyList<string> Names)
    {
        public bool HasValues { get; init; } = true;

        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public IReadOnlyList<JsonObject>? Parts { get; init; }
    }
}
