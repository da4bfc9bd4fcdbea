using Google.Protobuf;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>A SentencePiece model of a few pieces, as its trainer writes one.</summary>
public static class TinySentencePiece
{
    private const int Normal = 1, Unknown = 2, Control = 3, OfUnigrams = 1, Bpe = 2;

    /// <param name="merges">Pieces of several characters; every lower-case letter and some signs are pieces of their own.</param>
    public static byte[] Bytes(params string[] merges) => Message(model =>
    {
        Piece(model, "<unk>", Unknown);
        Piece(model, "<s>", Control);
        Piece(model, "</s>", Control);
        foreach (string piece in merges.Concat("▁=:\n<>".Concat(Enumerable.Range('a', 26).Select(letter => (char)letter)).Select(c => c.ToString())))
            Piece(model, piece, Normal);
        Field(model, 2, Message(trainer => Number(trainer, 3, Bpe)));
        Field(model, 3, Message(normalizer => Number(normalizer, 4, 0)));
    });

    /// <summary>One of T5's kind: likelier the earlier a piece stands, which are numbered behind padding, end and unknown.</summary>
    public static byte[] Unigram(IReadOnlyList<string> pieces) => Message(model =>
    {
        Piece(model, "<pad>", Control);
        Piece(model, "</s>", Control);
        Piece(model, "<unk>", Unknown);
        for (int i = 0; i < pieces.Count; i++)
            Piece(model, pieces[i], Normal, -2f - (0.01f * i));
        Field(model, 2, Message(trainer =>
        {
            Number(trainer, 3, OfUnigrams);
            Number(trainer, 40, 2);
            Number(trainer, 41, -1);
            Number(trainer, 42, 1);
            Number(trainer, 43, 0);
        }));
    });

    private static void Piece(CodedOutputStream output, string text, int type, float score = 0) => Field(output, 1, Message(piece =>
    {
        Field(piece, 1, System.Text.Encoding.UTF8.GetBytes(text));
        piece.WriteTag(2, WireFormat.WireType.Fixed32);
        piece.WriteFloat(score);
        Number(piece, 3, type);
    }));

    private static void Number(CodedOutputStream output, int field, int value)
    {
        output.WriteTag(field, WireFormat.WireType.Varint);
        output.WriteInt32(value);
    }

    private static void Field(CodedOutputStream output, int field, byte[] value)
    {
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(value));
    }

    private static byte[] Message(Action<CodedOutputStream> write)
    {
        using var memory = new MemoryStream();
        using (var output = new CodedOutputStream(memory))
            write(output);
        return memory.ToArray();
    }
}
