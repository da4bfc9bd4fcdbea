using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.ML.Peft.Checkpoints.Gguf;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>
/// A model's <c>config.json</c>. What is missing or of the wrong type is an <see cref="InvalidDataException"/> naming file and key.
/// </summary>
internal sealed class HfConfig
{
    public const string FileName = "config.json";

    private readonly string _description;
    private readonly Dictionary<string, JsonElement> _values;

    private HfConfig(JsonElement root, string description)
    {
        _description = description;
        Json = root.GetRawText();
        _values = [];
        // As in Python, null stands for absent, and of two values under one key the later counts.
        foreach (JsonProperty property in root.Clone().EnumerateObject())
            _values[property.Name] = property.Value;
        Architectures = Strings("architectures");
        Id2Label = Labels();
    }

    /// <summary>The text that was parsed.</summary>
    public string Json { get; }

    public string ModelType => String("model_type");

    public IReadOnlyList<string> Architectures { get; }

    /// <summary>The names of the classes by number; null where the file has none.</summary>
    public IReadOnlyDictionary<int, string>? Id2Label { get; }

    /// <param name="folder">The model's folder, or a .gguf file.</param>
    public static HfConfig Load(string folder) => TryLoad(folder)
        ?? throw new FileNotFoundException(
            $"{folder}: expected a {FileName}, found none{string.Concat(CheckpointLayout.Known.Select(layout => $", nor the layout '{layout}'"))}.", Path.Combine(folder, FileName));

    /// <summary>A folder's config.json, or what the metadata of its .gguf file or another layout's files say; null where there is none of these.</summary>
    public static HfConfig? TryLoad(string folder)
    {
        string path = Path.Combine(folder, FileName);
        if (File.Exists(path))
            return Parse(File.ReadAllBytes(path), path);
        if (CheckpointLayout.Translate(folder) is { } foreign)
            return foreign.Config;
        if (CheckpointFolder.FindGguf(folder) is not { } gguf)
            return null;
        using GgufFile file = GgufFile.Open(gguf);
        return GgufArchitecture.Of(file).Config(file);
    }

    public static HfConfig Parse(string json, string description) => Parse(Encoding.UTF8.GetBytes(json), description);

    public static HfConfig Parse(ReadOnlyMemory<byte> utf8, string description) =>
        JsonText.Read(utf8, description, root => new HfConfig(root, description));

    public bool Has(string key) => Find(key) is not null;

    /// <summary>What kind of value stands under a key; null where none does.</summary>
    public JsonValueKind? Kind(string key) => Find(key)?.ValueKind;

    /// <summary>Whether a list or an object without entries stands under a key.</summary>
    public bool IsEmpty(string key) => Find(key) switch
    {
        { ValueKind: JsonValueKind.Array } list => list.GetArrayLength() == 0,
        { ValueKind: JsonValueKind.Object } entries => !entries.EnumerateObject().Any(),
        _ => false,
    };

    public int Int(string key) => AsInt(key, Required(key, "an integer"));

    public int Int(string key, int fallback) => Find(key) is { } value ? AsInt(key, value) : fallback;

    public double Double(string key) => AsDouble(key, Required(key, "a number"));

    public double Double(string key, double fallback) => Find(key) is { } value ? AsDouble(key, value) : fallback;

    public bool Bool(string key) => AsBool(key, Required(key, "true or false"));

    public bool Bool(string key, bool fallback) => Find(key) is { } value ? AsBool(key, value) : fallback;

    public string String(string key) => AsString(key, Required(key, "a string"));

    public string String(string key, string fallback) => Find(key) is { } value ? AsString(key, value) : fallback;

    /// <summary>A list of integers, or a single one as a list of one; empty where absent.</summary>
    public IReadOnlyList<int> Ints(string key) => Find(key) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } list => [.. list.EnumerateArray().Select(item => AsInt(key, item))],
        { } single => [AsInt(key, single)],
    };

    /// <summary>A list of numbers; empty where absent.</summary>
    public IReadOnlyList<double> Doubles(string key) => Find(key) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } list => [.. list.EnumerateArray().Select(item => AsDouble(key, item))],
        { } other => throw Wrong(key, "a list of numbers", other),
    };

    /// <summary>A list of strings; empty where absent.</summary>
    public IReadOnlyList<string> Strings(string key) => Find(key) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } list => [.. list.EnumerateArray().Select(item => AsString(key, item))],
        { } other => throw Wrong(key, "a list of strings", other),
    };

    /// <summary>A configuration inside this one, such as <c>text_config</c>.</summary>
    public HfConfig Section(string key)
    {
        JsonElement value = Required(key, "an object");
        return value.ValueKind == JsonValueKind.Object ? new(value, $"{_description}: {key}") : throw Wrong(key, "an object", value);
    }

    private Dictionary<int, string>? Labels()
    {
        const string Key = "id2label";
        if (Find(Key) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Object)
            throw Wrong(Key, "an object", value);
        var labels = new Dictionary<int, string>();
        foreach (JsonProperty label in value.EnumerateObject())
        {
            if (!int.TryParse(label.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int id))
                throw Malformed.File(_description, $"integers as the keys of '{Key}'", $"'{label.Name}'");
            labels[id] = AsString(Key, label.Value);
        }
        return labels;
    }

    private JsonElement? Find(string key) =>
        _values.TryGetValue(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private JsonElement Required(string key, string expected) =>
        Find(key) ?? throw Malformed.File(_description, $"{expected} under '{key}'", "nothing");

    private int AsInt(string key, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : throw Wrong(key, "an integer", value);

    private double AsDouble(string key, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) ? number : throw Wrong(key, "a number", value);

    private bool AsBool(string key, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(key, "true or false", value),
    };

    private string AsString(string key, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String)
            throw Wrong(key, "a string", value);
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw Malformed.File(_description, $"well-formed Unicode under '{key}'", JsonText.Excerpt(value), e);
        }
    }

    private InvalidDataException Wrong(string key, string expected, JsonElement found) =>
        Malformed.File(_description, $"{expected} under '{key}'", JsonText.Excerpt(found));
}
