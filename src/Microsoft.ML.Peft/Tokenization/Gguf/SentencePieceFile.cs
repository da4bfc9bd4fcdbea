using System.Globalization;
using System.Text.Json.Nodes;
using Google.Protobuf;

namespace Microsoft.ML.Peft.Tokenization.Gguf;

/// <summary>Writes a vocabulary with scores as SentencePiece's tokenizer.model.</summary>
internal static class SentencePieceFile
{
    private const int Bpe = 2;

    public static GgufTokenizerParts Write(GgufVocabulary vocabulary)
    {
        bool bos = vocabulary.Flag("add_bos_token", true), eos = vocabulary.Flag("add_eos_token", false);
        if (bos)
            vocabulary.Role("bos_token", "add_bos_token");
        if (eos)
            vocabulary.Role("eos_token", "add_eos_token");
        byte[] model = Message(output =>
        {
            WritePieces(output, vocabulary);
            Write(output, 2, Message(trainer => WriteTrainer(trainer, vocabulary)));
            Write(output, 3, Message(normalizer => WriteNormalizer(normalizer, vocabulary)));
        });
        return new("tokenizer.model", model, "LlamaTokenizer", bos, eos)
        {
            Read = SentencePieceReader.Read,
            Settings = new() { ["legacy"] = true, ["added_tokens_decoder"] = AddedTokens(vocabulary) },
        };
    }

    private static JsonObject AddedTokens(GgufVocabulary vocabulary) => new(vocabulary.Added().Select(id =>
        KeyValuePair.Create(id.ToString(CultureInfo.InvariantCulture), (JsonNode?)vocabulary.AddedToken(id))));

    private static void WritePieces(CodedOutputStream output, GgufVocabulary vocabulary)
    {
        float[] scores = vocabulary.Scores();
        // Vocabularies that come from a tokenizer.json have the unknown token among the controls.
        int unknown = vocabulary.Roles.GetValueOrDefault("unk_token", Math.Max(0, Array.IndexOf(vocabulary.Types, PieceType.Unknown)));
        for (int id = 0; id < vocabulary.Tokens.Length; id++)
        {
            PieceType type = id == unknown ? PieceType.Unknown : vocabulary.Types[id];
            Write(output, 1, Message(piece =>
            {
                piece.WriteTag(1, WireFormat.WireType.LengthDelimited);
                piece.WriteString(vocabulary.Tokens[id]);
                piece.WriteTag(2, WireFormat.WireType.Fixed32);
                piece.WriteFloat(scores[id]);
                Write(piece, 3, (int)type);
            }));
        }
    }

    private static void WriteTrainer(CodedOutputStream output, GgufVocabulary vocabulary)
    {
        Write(output, 3, Bpe);
        Write(output, 35, vocabulary.Types.Contains(PieceType.Byte) ? 1 : 0);
        foreach (var (field, role) in new[] { (41, "bos_token"), (42, "eos_token"), (43, "pad_token") })
            Write(output, field, vocabulary.Roles.GetValueOrDefault(role, -1));
    }

    private static void WriteNormalizer(CodedOutputStream output, GgufVocabulary vocabulary)
    {
        Write(output, 3, vocabulary.Flag("add_space_prefix", true) ? 1 : 0);
        Write(output, 4, vocabulary.Flag("remove_extra_whitespaces", false) ? 1 : 0);
    }

    private static void Write(CodedOutputStream output, int field, int value)
    {
        output.WriteTag(field, WireFormat.WireType.Varint);
        output.WriteInt32(value);
    }

    private static void Write(CodedOutputStream output, int field, byte[] message)
    {
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(message));
    }

    private static byte[] Message(Action<CodedOutputStream> write)
    {
        using var memory = new MemoryStream();
        using (var output = new CodedOutputStream(memory, bufferSize: 256, leaveOpen: true))
            write(output);
        return memory.ToArray();
    }
}
