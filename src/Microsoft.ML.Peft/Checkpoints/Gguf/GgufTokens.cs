using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>The special tokens that a file's metadata name.</summary>
internal static class GgufTokens
{
    private const string Prefix = "tokenizer.ggml.";

    private const string EndOfTurn = Prefix + "eot_token_id";

    // Hugging Face's role, llama.cpp's key ("seperator" is its spelling).
    private static readonly (string Role, string Key)[] s_roles =
    [
        ("bos_token", "bos_token_id"), ("eos_token", "eos_token_id"), ("unk_token", "unknown_token_id"), ("sep_token", "seperator_token_id"),
        ("pad_token", "padding_token_id"), ("cls_token", "cls_token_id"), ("mask_token", "mask_token_id"),
    ];

    /// <summary>Ids by role.</summary>
    public static IEnumerable<(string Role, long Id)> Roles(GgufMetadata metadata) =>
        from role in s_roles
        let id = metadata.Integer(Prefix + role.Key)
        where id >= 0
        select (role.Role, id.Value);

    /// <summary>What config.json says of them: where a chat's turn ends by another token than a text, generation ends at both.</summary>
    public static IEnumerable<(string Name, JsonNode Id)> Ids(GgufMetadata metadata)
    {
        foreach (var (role, id) in Roles(metadata).Where(role => role.Role is "bos_token" or "eos_token" or "pad_token" or "sep_token"))
        {
            bool both = role == "eos_token" && metadata.Integer(EndOfTurn) is { } turn && turn != id;
            yield return ($"{role}_id", both ? new JsonArray(id, metadata.Integer(EndOfTurn)) : JsonValue.Create(id));
        }
    }
}
