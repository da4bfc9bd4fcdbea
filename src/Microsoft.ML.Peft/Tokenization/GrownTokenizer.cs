using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>A tokenizer.json with further tokens, as transformers' <c>add_tokens</c> leaves it.</summary>
internal static class GrownTokenizer
{
    /// <summary>Adds tokens to those of a tokenizer, with ids behind all others.</summary>
    /// <param name="tokenizerJson">The tokenizer's file.</param>
    /// <param name="tokenizer">The tokenizer. What the files beside its own add to it has its place before the new tokens, and goes in too.</param>
    /// <param name="tokens">The texts that become tokens.</param>
    public static byte[] Add(byte[] tokenizerJson, TextTokenizer tokenizer, IReadOnlyList<string> tokens)
    {
        JsonObject root = JsonNode.Parse(tokenizerJson)!.AsObject();
        JsonArray added = root["added_tokens"] as JsonArray ?? [];
        root["added_tokens"] = added;
        HashSet<string> known = [.. added.Select(token => (string)token!["content"]!)];
        IEnumerable<AddedToken> grown = tokens.Select((token, i) => new AddedToken(tokenizer.VocabularySize + i, token) { Normalized = true });
        foreach (AddedToken token in tokenizer.AddedTokens.Where(token => !known.Contains(token.Content)).OrderBy(token => token.Id).Concat(grown))
        {
            added.Add(new JsonObject
            {
                ["id"] = token.Id,
                ["content"] = token.Content,
                ["single_word"] = token.SingleWord,
                ["lstrip"] = token.StripLeft,
                ["rstrip"] = token.StripRight,
                ["normalized"] = token.Normalized,
                ["special"] = token.Special,
            });
        }
        return JsonSerializer.SerializeToUtf8Bytes(root);
    }
}
