using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>Writes the values of one block.</summary>
internal delegate void BlockDecoder(ReadOnlySpan<byte> block, Span<float> values);

/// <summary>How the elements of a tensor are stored.</summary>
/// <param name="Id">GGML's number.</param>
/// <param name="Name">GGML's name.</param>
/// <param name="BlockSize">Elements of a block; a row is whole blocks.</param>
/// <param name="BlockBytes">Bytes of a block.</param>
/// <param name="Element">The type of the elements when read.</param>
/// <param name="Decode">Null where the elements lie in the file as they are.</param>
internal sealed record GgufType(uint Id, string Name, int BlockSize, int BlockBytes, ScalarType Element, BlockDecoder? Decode)
{
    private static readonly GgufType[] s_all =
    [
        Plain(0, "F32", 4, ScalarType.Float32), Plain(1, "F16", 2, ScalarType.Float16), Plain(30, "BF16", 2, ScalarType.BFloat16),
        Plain(28, "F64", 8, ScalarType.Float64), Plain(24, "I8", 1, ScalarType.Int8), Plain(25, "I16", 2, ScalarType.Int16),
        Plain(26, "I32", 4, ScalarType.Int32), Plain(27, "I64", 8, ScalarType.Int64),
        Quantized(2, "Q4_0", 32, 18, SmallBlocks.Q4_0), Quantized(3, "Q4_1", 32, 20, SmallBlocks.Q4_1),
        Quantized(6, "Q5_0", 32, 22, SmallBlocks.Q5_0), Quantized(7, "Q5_1", 32, 24, SmallBlocks.Q5_1),
        Quantized(8, "Q8_0", 32, 34, SmallBlocks.Q8_0),
        Quantized(10, "Q2_K", 256, 84, SuperBlocks.Q2_K), Quantized(11, "Q3_K", 256, 110, SuperBlocks.Q3_K),
        Quantized(12, "Q4_K", 256, 144, SuperBlocks.Q4_K), Quantized(13, "Q5_K", 256, 176, SuperBlocks.Q5_K),
        Quantized(14, "Q6_K", 256, 210, SuperBlocks.Q6_K),
    ];

    private static readonly Dictionary<uint, GgufType> s_byId = s_all.ToDictionary(type => type.Id);

    public static string Known { get; } = string.Join(", ", s_all.Select(type => type.Name));

    public static GgufType? Find(uint id) => s_byId.GetValueOrDefault(id);

    private static GgufType Plain(uint id, string name, int bytes, ScalarType element) => new(id, name, 1, bytes, element, null);

    private static GgufType Quantized(uint id, string name, int size, int bytes, BlockDecoder decode) =>
        new(id, name, size, bytes, ScalarType.Float32, decode);
}
