using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Registration;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>A module of llama.cpp under its name on Hugging Face. A star stands for the number of the layer; null for what is not a weight.</summary>
internal sealed record GgufModule(string Stored, string? Name)
{
    public Func<IGgufHeads, Arrangement> Arrangement { get; init; } = _ => Gguf.Arrangement.AsIs;
}

/// <summary>
/// How llama.cpp writes one architecture, and its way back: names, layout, config.json. A new one is one class below this and a line in
/// its assembly's registration.
/// </summary>
internal abstract class GgufArchitecture
{
    public const string TokenTable = "token_embd.weight", OutputTable = "output.weight";

    private const string ArchitectureKey = "general.architecture";

    private readonly Lazy<Dictionary<string, GgufModule>> _modules;

    protected GgufArchitecture()
    {
        _modules = new(() => Modules.ToDictionary(module => module.Stored, StringComparer.Ordinal));
    }

    /// <summary>llama.cpp's name, which is the <c>model_type</c> of config.json too.</summary>
    public abstract string Key { get; }

    /// <summary>The class that Hugging Face loads.</summary>
    protected abstract string ClassName { get; }

    protected abstract IEnumerable<GgufModule> Modules { get; }

    /// <exception cref="NotSupportedException">The file is of an architecture that is not known.</exception>
    public static GgufArchitecture Of(GgufFile file)
    {
        string key = file.Metadata.Text(ArchitectureKey) ?? throw Malformed.File(file.Description, $"a string under '{ArchitectureKey}'", "nothing");
        return Known(key, $"{file.Description}: architecture '{key}' is not read from GGUF files");
    }

    /// <summary>The architecture of a <c>model_type</c>.</summary>
    /// <exception cref="NotSupportedException">It is not known.</exception>
    public static GgufArchitecture For(string modelType) => Known(modelType, $"Architecture '{modelType}' is not written to GGUF files");

    /// <summary>The module of <c>blk.3.attn_q</c>, and the layer's number; null where the architecture has none of that name.</summary>
    public (GgufModule Module, string Layer)? Find(string module)
    {
        const string Block = "blk.";
        string layer = module.StartsWith(Block, StringComparison.Ordinal) ? module[Block.Length..].Split('.')[0] : "";
        string pattern = layer.Length > 0 && layer.All(char.IsAsciiDigit) ? $"{Block}*{module[(Block.Length + layer.Length)..]}" : module;
        return _modules.Value.TryGetValue(pattern, out GgufModule? found) ? (found, layer) : null;
    }

    /// <summary>The module of <c>model.layers.3.self_attn.q_proj</c>, and its name here; null where llama.cpp has none of that name.</summary>
    public (GgufModule Module, string Stored)? FindName(string path)
    {
        foreach (GgufModule module in _modules.Value.Values.Where(module => module.Name is not null))
        {
            string[] ends = module.Name!.Split('*');
            if (ends.Length == 1 && path == module.Name)
                return (module, module.Stored);
            if (ends.Length == 2 && path.Length > module.Name.Length - 1 && path.StartsWith(ends[0], StringComparison.Ordinal)
                && path.EndsWith(ends[1], StringComparison.Ordinal) && path[ends[0].Length..^ends[1].Length] is var layer && layer.All(char.IsAsciiDigit))
                return (module, module.Stored.Replace("*", layer, StringComparison.Ordinal));
        }
        return null;
    }

    /// <summary>The model's config.json.</summary>
    /// <exception cref="InvalidDataException">The metadata lack something, or something is out of range.</exception>
    public HfConfig Config(GgufFile file)
    {
        var settings = new GgufSettings(file, Key);
        var json = new JsonObject
        {
            ["model_type"] = Key,
            ["architectures"] = new JsonArray(ClassName),
            ["vocab_size"] = settings.Vocabulary,
        };
        foreach (var (name, value) in Describe(settings))
            json[name] = value;
        json["tie_word_embeddings"] = !file.Has(OutputTable) || file.AreCopies(OutputTable, TokenTable);
        foreach (var (name, id) in GgufTokens.Ids(file.Metadata))
            json[name] = id;
        return HfConfig.Parse(json.ToJsonString(), file.Description);
    }

    private static GgufArchitecture Known(string key, string problem)
    {
        GgufEntry[] known = [.. Registries.Shared.All<GgufEntry>()];
        return Array.Find(known, entry => entry.Key == key)?.Architecture
            ?? throw new NotSupportedException($"{problem}; known are {string.Join(", ", known.Select(entry => entry.Key).Order())}.");
    }

    /// <summary>What config.json says of this architecture alone.</summary>
    protected abstract IEnumerable<(string Name, JsonNode? Value)> Describe(GgufSettings settings);
}

/// <summary>An architecture that is read from .gguf files and written to them.</summary>
internal sealed record GgufEntry(GgufArchitecture Architecture) : Registered(Architecture.Key, Architecture.GetType());
