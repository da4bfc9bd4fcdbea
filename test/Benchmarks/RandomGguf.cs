using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>A decoder of LLaMA's kind with random weights in a .gguf file, which llama.cpp reads too.</summary>
/// <param name="layers">Layers.</param>
/// <param name="hidden">Width.</param>
/// <param name="inner">Width of the feed-forward.</param>
/// <param name="heads">Query heads.</param>
/// <param name="groups">Heads of keys and values.</param>
/// <param name="vocabulary">Tokens; the output matrix is their table.</param>
internal sealed class RandomGguf(int layers, int hidden, int inner, int heads, int groups, int vocabulary)
{
    private const uint F16 = 1, F32 = 0;
    private const int Pool = 1 << 22;
    private const double Deviation = 0.02;

    private readonly byte[] _values = Values();

    /// <summary>The shape of Llama 3.2 1B.</summary>
    public static RandomGguf Llama1B() => new(layers: 16, hidden: 2048, inner: 8192, heads: 32, groups: 8, vocabulary: 128256);

    /// <summary>Writes the file with its matrices in half precision.</summary>
    public void Write(string path)
    {
        GgufBuilder file = new GgufBuilder().Set("general.architecture", "llama").Set("tokenizer.ggml.model", "no_vocab")
            .Set("llama.vocab_size", (uint)vocabulary).Set("llama.block_count", (uint)layers).Set("llama.context_length", 2048u)
            .Set("llama.embedding_length", (uint)hidden).Set("llama.feed_forward_length", (uint)inner)
            .Set("llama.attention.head_count", (uint)heads).Set("llama.attention.head_count_kv", (uint)groups)
            .Set("llama.attention.layer_norm_rms_epsilon", 1e-5f).Set("llama.rope.freq_base", 500000f);
        Matrix(file, "token_embd.weight", vocabulary, hidden);
        Ones(file, "output_norm.weight");
        int keys = hidden / heads * groups;
        for (int i = 0; i < layers; i++)
        {
            Ones(file, $"blk.{i}.attn_norm.weight");
            Ones(file, $"blk.{i}.ffn_norm.weight");
            foreach (var (name, rows, columns) in new[]
            {
                ("attn_q", hidden, hidden), ("attn_k", keys, hidden), ("attn_v", keys, hidden), ("attn_output", hidden, hidden),
                ("ffn_gate", inner, hidden), ("ffn_up", inner, hidden), ("ffn_down", hidden, inner),
            })
                Matrix(file, $"blk.{i}.{name}.weight", rows, columns);
        }
        file.Write(path);
    }

    private void Matrix(GgufBuilder file, string name, long rows, long columns)
    {
        long length = rows * columns * 2;
        file.Add(name, F16, [rows, columns], length, stream =>
        {
            for (long left = length; left > 0; left -= _values.Length)
                stream.Write(_values.AsSpan(0, (int)Math.Min(left, _values.Length)));
        });
    }

    private void Ones(GgufBuilder file, string name)
    {
        var bytes = new byte[hidden * sizeof(float)];
        for (int i = 0; i < hidden; i++)
            BitConverter.TryWriteBytes(bytes.AsSpan(i * sizeof(float)), 1f);
        file.Add(name, F32, [hidden], bytes);
    }

    // A normal distribution's values by Box and Muller; matrices take them from the start.
    private static byte[] Values()
    {
        var random = new Random(1);
        var bytes = new byte[Pool * 2];
        for (int i = 0; i < Pool; i++)
        {
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), (Half)(Deviation * normal));
        }
        return bytes;
    }
}
