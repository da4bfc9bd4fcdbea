using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>A tokenizer's files with further tokens.</summary>
internal static class GrownTokenizer
{
    /// <summary>Adds tokens to those of a tokenizer.json, with ids behind all others, as transformers' <c>add_tokens</c> leaves it.</summary>
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
            JsonObject entry = Entry(token);
            entry.Insert(0, "id", token.Id);
            added.Add(entry);
        }
        return JsonSerializer.SerializeToUtf8Bytes(root);
    }

    /// <summary>
    /// Adds special tokens to a tokenizer of any kind of files, by its tokenizer_config.json. One that is in the vocabulary keeps its id; the others' stand
    /// behind all.
    /// </summary>
    /// <param name="config">The tokenizer_config.json; null where there is none.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="tokens">The texts of the tokens.</param>
    public static byte[] AddSpecial(byte[]? config, TextTokenizer tokenizer, IReadOnlyList<string> tokens)
    {
        JsonObject root = config is null ? [] : JsonNode.Parse(config)!.AsObject();
        int next = tokenizer.VocabularySize;
        AddedToken[] grown = [.. tokens.Select(token => new AddedToken(tokenizer.IdOf(token) ?? next++, token) { Special = true })];
        IEnumerable<AddedToken> own = tokenizer.AddedTokens.Where(token => token.Matched && !tokens.Contains(token.Content));
        root["added_tokens_decoder"] = new JsonObject(own.Concat(grown).OrderBy(token => token.Id).Select(token => KeyValuePair.Create($"{token.Id}", (JsonNode?)Entry(token))));
        return JsonSerializer.SerializeToUtf8Bytes(root);
    }

    private static JsonObject Entry(AddedToken token) => new()
    {
        ["content"] = token.Content,
        ["single_word"] = token.SingleWord,
        ["lstrip"] = token.StripLeft,
        ["rstrip"] = token.StripRight,
        ["normalized"] = token.Normalized,
        ["special"] = token.Special,
    };
}
