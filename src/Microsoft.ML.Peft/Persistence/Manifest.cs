using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>A task or a tuner by its stable key.</summary>
internal sealed record KeyedSettings
{
    public required string Key { get; init; }

    public required JsonObject Settings { get; init; }
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

/// <summary>The base of a saved model.</summary>
internal sealed record BaseEntry
{
    public required BaseKind Kind { get; init; }

    /// <summary>The folder of weights outside, on the machine that saved; null for others.</summary>
    public string? Folder { get; init; }

    /// <summary>What the folder or file that the weights came from was called.</summary>
    public string? Name { get; init; }

    /// <summary>SHA-256 of the weights, as <see cref="Checkpoints.SharedCheckpoint.ContentHash"/> has it.</summary>
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
    public const int CurrentVersion = 1;

    public required KeyedSettings Task { get; init; }

    public required KeyedSettings Tuner { get; init; }

    public required JsonObject Labels { get; init; }

    public required int MaxLength { get; init; }

    public required int BatchSize { get; init; }

    public required IReadOnlyList<HashedFile> Tokenizer { get; init; }

    /// <summary>The model's config.json.</summary>
    public required JsonObject Config { get; init; }

    public required BaseEntry Base { get; init; }

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
            CheckVersion(json[VersionKey]?.GetValue<int>() ?? throw new JsonException($"'{VersionKey}' is missing"));
            return (json.Deserialize<Manifest>(s_options) ?? throw new JsonException("it is empty")).Checked();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new InvalidDataException($"The archive's manifest cannot be read: {e.Message}", e);
        }
    }

    // What JSON may say in spite of the types: null, and numbers below one.
    private Manifest Checked()
    {
        object?[] required = [Task?.Key, Task?.Settings, Tuner?.Key, Tuner?.Settings, Labels, Config, Base, Tokenizer];
        if (required.Contains(null) || Tokenizer.Any(file => file?.Name is null || file.Sha256 is null))
            throw new JsonException("a required value is null");
        if (Adapters is not null && (Adapters.Any(a => string.IsNullOrEmpty(a?.Name) || a.Tuner is { } t && (t.Key is null || t.Settings is null))
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
