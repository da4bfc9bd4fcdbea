using Google.Protobuf;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>A SentencePiece model of a few pieces, as its trainer writes one.</summary>
internal static class TinySentencePiece
{
    private const int Normal = 1, Unknown = 2, Control = 3, Bpe = 2;

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

    private static void Piece(CodedOutputStream output, string text, int type) => Field(output, 1, Message(piece =>
    {
        Field(piece, 1, System.Text.Encoding.UTF8.GetBytes(text));
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
