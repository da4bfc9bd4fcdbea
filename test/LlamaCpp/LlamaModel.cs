using LLama;
using LLama.Common;
using LLama.Native;

namespace LlamaCpp;

/// <summary>A .gguf file on all cores, with one text that goes on.</summary>
internal sealed class LlamaModel : IDisposable
{
    private const int Positions = 512;

    private readonly LLamaWeights _weights;
    private readonly LLamaContext _context;
    private int _length;

    /// <param name="file">The file.</param>
    /// <param name="exact">Whether keys, values and attention are of single precision, where llama.cpp's own choice is half.</param>
    public LlamaModel(string file, bool exact)
    {
        var parameters = new ModelParams(file)
        {
            ContextSize = Positions, BatchSize = Positions, GpuLayerCount = 0,
            Threads = Environment.ProcessorCount, BatchThreads = Environment.ProcessorCount,
        };
        if (exact)
            (parameters.TypeK, parameters.TypeV, parameters.FlashAttention) = (GGMLType.GGML_TYPE_F32, GGMLType.GGML_TYPE_F32, false);
        _weights = LLamaWeights.LoadFromFile(parameters);
        _context = _weights.CreateContext(parameters);
    }

    public ulong Bytes => _weights.SizeInBytes;

    /// <summary>Lays a LoRA adapter over the model.</summary>
    public void Use(string adapter) => _context.NativeHandle.SetLoraAdapters([(_weights.NativeHandle.LoadLoraFromFile(adapter), 1f)]);

    /// <summary>Begins another text.</summary>
    public void Forget()
    {
        _context.NativeHandle.MemoryClear();
        _length = 0;
    }

    /// <summary>Reads on; gives the logits after the last token.</summary>
    public ReadOnlySpan<float> Read(int[] ids)
    {
        var batch = new LLamaBatch();
        for (int i = 0; i < ids.Length; i++)
            batch.Add(ids[i], _length++, LLamaSeqId.Zero, i == ids.Length - 1);
        DecodeResult result = _context.NativeHandle.Decode(batch);
        if (result != DecodeResult.Ok)
            throw new InvalidOperationException($"llama.cpp could not read {ids.Length} tokens: {result}.");
        return _context.NativeHandle.GetLogitsIth(ids.Length - 1);
    }

    public void Dispose()
    {
        _context.Dispose();
        _weights.Dispose();
    }
}
