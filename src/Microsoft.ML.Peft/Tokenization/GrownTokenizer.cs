using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>A tokenizer.json with further tokens, as transformers' <c>add_tokens</c> leaves it.</summary>
internal static class GrownTokenizer
{
    /// <summary>Adds tokens with ids from <paramref name="firstId"/> on.</summary>
    public static byte[] Add(byte[] tokenizerJson, IReadOnlyList<string> tokens, int firstId)
    {
        JsonObject root = JsonNode.Parse(tokenizerJson)!.AsObject();
        JsonArray added = root["added_tokens"] as JsonArray ?? [];
        root["added_tokens"] = added;
        foreach (string token in tokens)
        {
            added.Add(new JsonObject
            {
                ["id"] = firstId++,
                ["content"] = token,
                ["single_word"] = false,
                ["lstrip"] = false,
                ["rstrip"] = false,
                ["normalized"] = true,
                ["special"] = false,
            });
        }
        return JsonSerializer.SerializeToUtf8Bytes(root);
    }
}
