using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>A decoder that goes on with what it reads.</summary>
internal sealed class DecoderSession(DecoderModel model, Head head, ForwardContext context)
    : DecodingSession(model, head, model.LayerCount, context), IJoinableSession
{
    private readonly DecoderModel _model = model;

    /// <inheritdoc/>
    public void Join(IReadOnlyList<IJoinableSession> others)
    {
        using var noGradient = inference_mode();
        DecoderSession[] joined = [this, .. others.Cast<DecoderSession>()];
        KeyValueCache cache = KeyValueCache.Join([.. joined.Select(session => session.Cache)]);
        Cache.Dispose();
        Cache = cache;
        Adapters = [.. joined.SelectMany(session => session.Adapters)];
        Rows = joined.Sum(session => session.Rows);
    }

    protected override Tensor Forward(Batch batch, ForwardContext step) => _model.Forward(batch, PositionSelection.Last, step);
}
