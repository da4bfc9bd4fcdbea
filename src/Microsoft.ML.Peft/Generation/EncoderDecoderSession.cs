using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation;

/// <summary>An encoder-decoder that writes what its texts ask for. The texts are encoded with the first token that is read.</summary>
/// <param name="model">The model.</param>
/// <param name="head">Its head.</param>
/// <param name="texts">What the encoder reads; the caller's.</param>
/// <param name="adapters">The adapter of each text, or one for all; null for the bare base.</param>
internal sealed class EncoderDecoderSession(TextModel model, Head head, Batch texts, params string?[]? adapters) : IDecodingSession
{
    private readonly IEncoderDecoder _model = (IEncoderDecoder)model;
    private readonly KeyValueCache _cache = new(((IEncoderDecoder)model).DecoderLayers);
    private string?[] _adapters = adapters ?? [null];
    private EncoderMemory? _memory;

    public int Rows { get; private set; }

    public int MaxLength => model.MaxLength;

    /// <summary>What the search begins with for each text.</summary>
    public IReadOnlyList<int[]> Prompts => [.. Enumerable.Repeat(new[] { _model.StartId }, (int)texts.Ids.shape[0])];

    public Tensor Read(Tensor ids, Tensor? mask)
    {
        using var scope = NewDisposeScope();
        using var noGradient = inference_mode();
        Rows = (int)ids.shape[0];
        if (_adapters.Length == 1 && Rows > 1)
            _adapters = [.. Enumerable.Repeat(_adapters[0], Rows)];
        ForwardContext context = ForwardContext.ForRows(_adapters, model.Weights.Device, _cache);
        using AdapterRows? byRow = context.Rows;
        _memory ??= new EncoderMemory(_model.Encode(texts, context), texts.Mask, _model.DecoderLayers);
        var batch = new Batch { Ids = ids.to(model.Weights.Device), Mask = mask?.to(model.Weights.Device), Examples = [] };
        Tensor hidden = _model.Decode(batch, RowSelection.Last, context with { Memory = _memory });
        return head.Forward(hidden, batch, context).squeeze(1).MoveToOuterDisposeScope();
    }

    public Tensor Next(long[] ids)
    {
        using Tensor tokens = tensor(ids, [ids.Length, 1], ScalarType.Int64, CPU);
        return Read(tokens, null);
    }

    public void Keep(long[] rows)
    {
        using var noGradient = inference_mode();
        _cache.Keep(rows);
        _memory!.Keep(rows);
        _adapters = Array.ConvertAll(rows, row => _adapters[row]);
        Rows = rows.Length;
    }

    public void Dispose()
    {
        _cache.Dispose();
        _memory?.Dispose();
    }
}
