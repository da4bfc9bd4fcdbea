using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>What sentence-transformers writes beside a model: how token states become a sentence's vector.</summary>
/// <param name="PoolingMode">The name of the pooling (<c>mean_tokens</c>, <c>cls_token</c>, <c>max_tokens</c>); null where the folder does not say.</param>
/// <param name="Normalizes">Whether vectors get length 1; null where the folder does not say.</param>
/// <param name="MaxLength">Tokens at which texts are cut; null where the folder does not say.</param>
internal sealed record SentenceTransformersFolder(string? PoolingMode, bool? Normalizes, int? MaxLength)
{
    private const string ModeKey = "pooling_mode_";

    /// <summary>Reads <c>modules.json</c>, the pooling's configuration and <c>sentence_bert_config.json</c>, as far as they are there.</summary>
    /// <exception cref="InvalidDataException">A file is malformed, or pools in more than one way.</exception>
    public static SentenceTransformersFolder Read(string folder)
    {
        string modules = Path.Combine(folder, "modules.json");
        int? length = Parse(Path.Combine(folder, "sentence_bert_config.json"))?["max_seq_length"]?.GetValue<int>();
        if (Parse(modules) is not JsonArray list)
            return new SentenceTransformersFolder(null, null, length);

        var parts = list.OfType<JsonObject>().Select(part => (Type: (string?)part["type"] ?? "", Path: (string?)part["path"] ?? "")).ToList();
        string? pooling = parts.FirstOrDefault(part => part.Type.EndsWith(".Pooling", StringComparison.Ordinal)).Path;
        return new SentenceTransformersFolder(
            pooling is null ? null : Mode(Path.Combine(folder, pooling, HfConfig.FileName)),
            parts.Any(part => part.Type.EndsWith(".Normalize", StringComparison.Ordinal)), length);
    }

    private static string? Mode(string file)
    {
        if (Parse(file) is not JsonObject config)
            return null;
        string[] modes = [.. config.Where(c => c.Key.StartsWith(ModeKey, StringComparison.Ordinal) && c.Value is JsonValue v && v.TryGetValue(out bool on) && on)
            .Select(c => c.Key[ModeKey.Length..])];
        return modes.Length == 1 ? modes[0] : throw new InvalidDataException(
            $"{file}: expected one pooling mode, found {(modes.Length == 0 ? "none" : string.Join(", ", modes))}.");
    }

    private static JsonNode? Parse(string file)
    {
        try
        {
            return File.Exists(file) ? JsonNode.Parse(LfsPointer.ReadAllBytes(file)) : null;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{file}: malformed JSON: {e.Message}", e);
        }
    }
}
