using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>What all sessions over a stack of layers share: its cache, and rows each under an adapter.</summary>
/// <param name="model">The model.</param>
/// <param name="head">Its head over the vocabulary.</param>
/// <param name="layers">Layers that keep keys and values.</param>
/// <param name="context">The call: which adapter writes each row, and how many such calls run at once.</param>
internal abstract class DecodingSession(PretrainedModel model, Head head, int layers, ForwardContext context) : IDecodingSession
{
    private readonly ForwardLimit? _limit = context.Limit;
    private readonly int _added = model.Sites.AddedPositions(context);

    public int Rows { get; protected set; }

    public int MaxLength => model.As<IReadsTokens>().MaxLength - _added;

    protected KeyValueCache Cache { get; set; } = new(layers);

    /// <summary>The adapter of each row, or one for all until the first are read.</summary>
    protected string?[] Adapters { get; set; } = context.Rows?.Names ?? [context.Adapter];

    public Tensor Read(Tensor ids, Tensor? mask)
    {
        using var scope = NewDisposeScope();
        using var noGradient = inference_mode();
        using IDisposable? turn = _limit?.Enter();
        Rows = (int)ids.size(0);
        Device device = model.Weights.Device;
        var batch = new Batch { Ids = ids.to(device), Mask = mask?.to(device), Examples = [] };
        if (Adapters.Length == 1 && Rows > 1)
            Adapters = [.. Enumerable.Repeat(Adapters[0], Rows)];
        ForwardContext step = ForwardContext.ForRows(Adapters, device, _limit) with { Cache = Cache };
        using AdapterRows? byRow = step.Rows;
        return head.Forward(Forward(batch, step), batch, step).squeeze(1).MoveToOuterDisposeScope();
    }

    public Tensor Next(long[] ids)
    {
        using Tensor tokens = tensor(ids, [ids.Length, 1], ScalarType.Int64, CPU);
        return Read(tokens, null);
    }

    public virtual void Keep(long[] rows)
    {
        using var noGradient = inference_mode();
        Cache.Keep(rows);
        Adapters = Array.ConvertAll(rows, row => Adapters[row]);
        Rows = rows.Length;
    }

    public virtual void Dispose() => Cache.Dispose();

    /// <summary>The hidden state of each row's last token; what is made on the way goes with the caller's scope.</summary>
    protected abstract Tensor Forward(Batch batch, ForwardContext step);
}
