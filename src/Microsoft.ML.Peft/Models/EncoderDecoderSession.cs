using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>An encoder-decoder that writes what its texts ask for. The texts are encoded with the first token that is read.</summary>
internal sealed class EncoderDecoderSession(PretrainedModel model, Head head, Batch texts, ForwardContext context)
    : DecodingSession(model, head, model.As<IEncoderDecoder>().DecoderLayers, context)
{
    private readonly IEncoderDecoder _model = model.As<IEncoderDecoder>();
    private EncoderMemory? _memory;

    public override void Keep(long[] rows)
    {
        base.Keep(rows);
        using var noGradient = inference_mode();
        _memory!.Keep(rows);
    }

    public override void Dispose()
    {
        base.Dispose();
        _memory?.Dispose();
    }

    protected override Tensor Forward(Batch batch, ForwardContext step)
    {
        if (_memory is null)
        {
            var (states, real) = _model.Encode(texts, step);
            _memory = new EncoderMemory(states, real, _model.DecoderLayers);
        }
        return _model.Decode(batch, PositionSelection.Last, step with { Memory = _memory });
    }
}
