using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.Weights;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>Something by its stable key, and by the assembly that registers it.</summary>
internal record ArchivedKey
{
    public required string Key { get; init; }

    /// <summary>The assembly's simple name.</summary>
    public string Assembly { get; init; } = Registries.Library;

    public static ArchivedKey Of(Registered entry) => new() { Key = entry.Key, Assembly = entry.Assembly };
}

/// <summary>A tuner, a task or an input processor.</summary>
internal record KeyedSettings : ArchivedKey
{
    public required JsonObject Settings { get; init; }

    public static KeyedSettings Of(Registered entry, JsonObject settings) => new() { Key = entry.Key, Assembly = entry.Assembly, Settings = settings };
}

/// <summary>A task with the labels that it learnt.</summary>
internal sealed record ArchivedTask : KeyedSettings
{
    public required JsonObject Labels { get; init; }
}

/// <summary>A file in the archive by name and SHA-256.</summary>
internal sealed record HashedFile(string Name, string Sha256);

/// <summary>Where the base's weights are.</summary>
internal enum BaseKind
{
    /// <summary>In the archive.</summary>
    Embedded,

    /// <summary>In the archive, as the quantized file that they came in.</summary>
    Packed,

    /// <summary>In a folder outside, known by the hash of its weights.</summary>
    Referenced,

    /// <summary>Nowhere else: the tuned tensors are all weights that there are.</summary>
    Tuned,
}

/// <summary>A base of a saved model.</summary>
internal sealed record BaseEntry
{
    public required BaseKind Kind { get; init; }

    /// <summary>The folder of weights outside, on the machine that saved; null for others.</summary>
    public string? Folder { get; init; }

    /// <summary>What the folder or file that the weights came from was called.</summary>
    public string? Name { get; init; }

    /// <summary>SHA-256 of the weights, as <see cref="SharedCheckpoint.ContentHash"/> has it.</summary>
    public string? Sha256 { get; init; }

    /// <summary>How its matrices are kept in memory; null for floats, or for weights that came quantized.</summary>
    public QuantizationOptions? Quantization { get; init; }
}

/// <summary>A named adapter; the trained one has no settings of its own here.</summary>
internal sealed record AdapterEntry(string Name, KeyedSettings? Tuner);

/// <summary>The archive's <c>manifest.json</c>.</summary>
internal sealed record Manifest
{
    /// <summary>The newest format that this library reads, and the one that it writes.</summary>
    public const int CurrentVersion = 2;

    /// <summary>What the model answers; one, so far.</summary>
    public required IReadOnlyList<ArchivedTask> Tasks { get; init; }

    public required KeyedSettings Tuner { get; init; }

    /// <summary>The model; null, as in the first version, for what its config.json names.</summary>
    public ArchivedKey? Model { get; init; }

    /// <summary>What makes the model's input; null for a text tokenizer alone.</summary>
    public KeyedSettings? Processor { get; init; }

    public required int MaxLength { get; init; }

    public required int BatchSize { get; init; }

    public required IReadOnlyList<HashedFile> Tokenizer { get; init; }

    /// <summary>The model's config.json.</summary>
    public required JsonObject Config { get; init; }

    /// <summary>What the model stands on, by role.</summary>
    public required IReadOnlyDictionary<string, BaseEntry> Bases { get; init; }

    /// <summary>The text of the base's generation_config.json; null where it has none.</summary>
    public string? GenerationConfig { get; init; }

    /// <summary>The named adapters; null for the trained one alone.</summary>
    public IReadOnlyList<AdapterEntry>? Adapters { get; init; }

    /// <summary>The active one among <see cref="Adapters"/>; null for the bare base.</summary>
    public string? ActiveAdapter { get; init; }

    /// <summary>The column that names each row's adapter; null for none.</summary>
    public string? AdapterColumn { get; init; }

    private const string VersionKey = "formatVersion";

    private static readonly JsonSerializerOptions s_options = new(AnyText.Options)
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    };

    public byte[] ToUtf8()
    {
        var json = new JsonObject { [VersionKey] = CurrentVersion };
        foreach (var (key, value) in JsonSerializer.SerializeToNode(this, s_options)!.AsObject())
            json[key] = value?.DeepClone();
        return JsonSerializer.SerializeToUtf8Bytes(json, s_options);
    }

    /// <exception cref="InvalidDataException">The format is newer than this library, or the JSON is not a manifest.</exception>
    public static Manifest Parse(ReadOnlySpan<byte> utf8)
    {
        try
        {
            JsonNode json = JsonNode.Parse(utf8) ?? throw new JsonException("it is null");
            int version = json[VersionKey]?.GetValue<int>() ?? throw new JsonException($"'{VersionKey}' is missing");
            CheckVersion(version);
            if (version == 1)
                Upgrade(json.AsObject());
            return (json.Deserialize<Manifest>(s_options) ?? throw new JsonException("it is empty")).Checked();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new InvalidDataException($"The archive's manifest cannot be read: {e.Message}", e);
        }
    }

    // The first version had one task, its labels beside it, and one base.
    private static void Upgrade(JsonObject json)
    {
        JsonObject task = Take("task")?.AsObject() ?? throw new JsonException("'task' is missing");
        task["labels"] = Take("labels");
        json["tasks"] = new JsonArray(task);
        json["bases"] = new JsonObject { [WeightMount.OnlyRole] = Take("base") };

        JsonNode? Take(string name) => json.Remove(name, out JsonNode? value) ? value : null;
    }

    // What JSON may say in spite of the types: null in lists, and numbers below one.
    private Manifest Checked()
    {
        if (Tasks.Contains(null!) || Bases.Values.Contains(null!) || Tokenizer.Contains(null!))
            throw new JsonException("a required value is null");
        if (Tasks.Count == 0)
            throw new JsonException("it has no task");
        if (Adapters is not null && (Adapters.Any(a => string.IsNullOrEmpty(a?.Name))
            || Adapters.DistinctBy(a => a.Name).Count() != Adapters.Count || (ActiveAdapter is { } active && Adapters.All(a => a.Name != active))))
            throw new JsonException("the adapters are not of different names, or the active one is not among them");
        if (MaxLength < 1 || BatchSize < 1)
            throw new JsonException($"a maximal length of {MaxLength} and a batch size of {BatchSize}; expected 1 or more");
        return this;
    }

    private static void CheckVersion(int version)
    {
        if (version is < 1 or > CurrentVersion)
        {
            throw new InvalidDataException(
                $"The archive has format version {version}; this version of the library reads up to {CurrentVersion}. Update Microsoft.ML.Peft.");
        }
    }
}
