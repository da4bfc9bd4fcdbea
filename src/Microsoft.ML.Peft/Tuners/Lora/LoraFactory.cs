using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>Makes the updates of single modules, with their rank, scale and first values.</summary>
internal sealed class LoraFactory(LoraOptions options, TuningTarget target, Generator generator)
{
    public LoraPart Tune(Projection site)
    {
        (int rank, double scale) = options.SizeOf(site.Path);
        target.CheckSaved(site.Path + ".lora_A.weight", rank, site.Weight.Inputs);
        (Tensor a, Tensor b) = StartValues.Of(options.Start, new StartRequest(
            site.Weight.Dequantize, site.Weight.Outputs, site.Weight.Inputs, rank, scale, options.PissaIterations, generator));
        // Under DoRA the dropout is not the update's alone.
        var lora = new LoraDelta(
            New(site.Path + ".lora_A.weight", a), New(site.Path + ".lora_B.weight", b), scale, options.UseDora ? 0 : options.Dropout);
        IWeightDelta delta = StartValues.TakesFromWeight(options.Start) ? new StartedDelta(lora) : lora;
        lora.B.LearningRateScale = options.LoraPlusRatio;
        if (options.UseDora)
            delta = Dora(site, delta);
        return new TunedProjection(site, delta);
    }

    // A table starts the other way round: A zero, B normal.
    public LoraPart Tune(TokenEmbedding site)
    {
        (int rank, double scale) = options.SizeOf(site.Path);
        long entries = site.Table.Value.shape[0], width = site.Table.Value.shape[1];
        target.CheckSaved(site.Path + ".lora_embedding_A", rank, entries);
        using var noGrad = no_grad();
        return new EmbeddingDelta(
            site, New(site.Path + ".lora_embedding_A", zeros([rank, entries], device: generator.device)),
            New(site.Path + ".lora_embedding_B", normal(0, 1, [width, rank], generator: generator, device: generator.device)), scale, options.UseDora)
        {
            DoublesRank = StartValues.TakesFromWeight(options.Start),
        };
    }

    private DoraDelta Dora(Projection site, IWeightDelta direction)
    {
        Parameter magnitude = DoraDelta.Magnitude(site.Path, () => DoraDelta.Norm(site, direction));
        magnitude.LearningRateScale = options.LoraPlusRatio;
        return new DoraDelta(site, direction, magnitude, options.Dropout);
    }

    private static Parameter New(string name, Tensor values) => new(name, values.DetachFromDisposeScope(), owned: true);
}
