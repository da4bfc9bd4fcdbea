using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tokenization.Gguf;

/// <summary>Writes a byte-level vocabulary with its merges as tokenizer.json.</summary>
internal static class BytePairFile
{
    public static GgufTokenizerParts Write(GgufVocabulary vocabulary)
    {
        WordCut cut = WordCut.Named(vocabulary.Text("pre") ?? WordCut.Default, vocabulary.Description);
        bool bos = vocabulary.Flag("add_bos_token", cut.AddsBos), eos = vocabulary.Flag("add_eos_token", false);
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("version", "1.0");
            Write(json, "added_tokens", AddedTokens(vocabulary));
            Write(json, "normalizer", cut.Normalizer());
            Write(json, "pre_tokenizer", cut.PreTokenizer());
            Write(json, "post_processor", Template(vocabulary, bos, eos));
            Write(json, "decoder", new JsonObject { ["type"] = "ByteLevel" });
            WriteModel(json, vocabulary, cut.IgnoresMerges);
            json.WriteEndObject();
        }
        return new("tokenizer.json", buffer.WrittenSpan.ToArray(), "PreTrainedTokenizerFast", bos, eos) { Read = (file, _) => TokenizerJson.Read(file) };
    }

    private static void Write(Utf8JsonWriter json, string name, JsonNode? value)
    {
        json.WritePropertyName(name);
        if (value is null)
            json.WriteNullValue();
        else
            value.WriteTo(json);
    }

    private static JsonArray AddedTokens(GgufVocabulary vocabulary)
    {
        var tokens = new JsonArray();
        foreach (int id in vocabulary.Added())
        {
            JsonObject token = vocabulary.AddedToken(id);
            token["id"] = id;
            tokens.Add(token);
        }
        return tokens;
    }

    private static void WriteModel(Utf8JsonWriter json, GgufVocabulary vocabulary, bool ignoreMerges)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteBoolean("ignore_merges", ignoreMerges);
        json.WriteStartObject("vocab");
        for (int id = 0; id < vocabulary.Tokens.Length; id++)
        {
            // Fillers up to the size of the table, which no text yields.
            if (vocabulary.Types[id] != PieceType.Unused)
                json.WriteNumber(vocabulary.Tokens[id], id);
        }
        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach (string merge in vocabulary.Merges())
            json.WriteStringValue(merge);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static JsonObject? Template(GgufVocabulary vocabulary, bool bos, bool eos)
    {
        if (!bos && !eos)
            return null;
        int? start = bos ? vocabulary.Role("bos_token", "add_bos_token") : null, end = eos ? vocabulary.Role("eos_token", "add_eos_token") : null;
        var specials = new JsonObject();
        foreach (int id in new[] { start, end }.OfType<int>())
            specials[vocabulary.Tokens[id]] = new JsonObject { ["id"] = vocabulary.Tokens[id], ["ids"] = new JsonArray(id), ["tokens"] = new JsonArray(vocabulary.Tokens[id]) };
        return new()
        {
            ["type"] = "TemplateProcessing",
            ["single"] = new JsonArray([.. Around("A", 0)]),
            ["pair"] = new JsonArray([.. Around("A", 0), .. Around("B", 1)]),
            ["special_tokens"] = specials,
        };

        IEnumerable<JsonNode> Around(string sequence, int type)
        {
            if (start is { } first)
                yield return Special(first, type);
            yield return new JsonObject { ["Sequence"] = new JsonObject { ["id"] = sequence, ["type_id"] = type } };
            if (end is { } last)
                yield return Special(last, type);
        }

        JsonObject Special(int id, int type) => new() { ["SpecialToken"] = new JsonObject { ["id"] = vocabulary.Tokens[id], ["type_id"] = type } };
    }
}
