using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>Makes the updates of single modules, with their rank, scale and first values. What is about to be read is not worked out.</summary>
internal sealed class LoraFactory(LoraOptions options, TuningTarget target, Generator generator)
{
    private const string A = ".lora_A.weight", B = ".lora_B.weight";

    public TunedPart Tune(Projection site)
    {
        (int rank, double scale) = options.SizeOf(site.Path);
        target.CheckSaved(site.Path + A, rank, site.Weight.Inputs);
        var request = new StartRequest(
            site.Weight.Dequantize, site.Weight.Outputs, site.Weight.Inputs, rank, scale, options.PissaIterations, generator);
        if (options.Start == LoraStart.Loftq && site.Weight is QuantizedWeight packed)
            return Loftq(site, packed, request);
        // What took from the weight is subtracted again, and so is needed even where A and B are read.
        bool needed = StartValues.TakesFromWeight(options.Start) || !target.Brings(site.Path + A);
        return new TunedProjection(site, Delta(site, needed ? StartValues.Of(options.Start, request) : StartValues.Blank(request), scale));
    }

    // A table starts the other way round: A zero, B normal.
    public TunedPart Tune(TokenEmbedding site)
    {
        (int rank, double scale) = options.SizeOf(site.Path);
        long entries = site.Table.Value.size(0), width = site.Table.Value.size(1);
        target.CheckSaved(site.Path + ".lora_embedding_A", rank, entries);
        using var noGrad = no_grad();
        Parameter a = New(site.Path + ".lora_embedding_A", zeros([rank, entries], ScalarType.Float32, generator.device));
        Parameter b = New(site.Path + ".lora_embedding_B", normal(0, 1, [width, rank], ScalarType.Float32, generator.device, generator: generator));
        Parameter? magnitude = options.UseDora ? Magnitude(site.Path, width, () => EmbeddingDelta.Norm(site, a, b, scale)) : null;
        return new EmbeddingDelta(site, a, b, scale, magnitude) { DoublesRank = StartValues.TakesFromWeight(options.Start) };
    }

    private TunedPart Loftq(Projection site, QuantizedWeight packed, StartRequest request)
    {
        string key = RequantizedProjection.KeyOf(site.Path);
        if (target.Brings(site.Path + A) && (!options.HasOwnMatrices || target.Brings(key)))
        {
            return Loftq(site, packed, StartValues.Blank(request),
                options.HasOwnMatrices ? RequantizedProjection.Read(target.Saved!, site, generator.device) : null, request.Scale);
        }
        var (a, b, matrix) = LoftqStart.Of(
            request with { Weight = () => FloatsOf(packed) }, packed.Matrix, options.LoftqIterations, packed.Name);
        return Loftq(site, packed, (a, b), matrix, request.Scale);
    }

    private TunedPart Loftq(Projection site, QuantizedWeight packed, (Tensor, Tensor) start, PackedMatrix? matrix, double scale)
    {
        if (matrix is null)
            return new TunedProjection(site, Delta(site, start, scale));
        QuantizedWeight weight = packed.With(matrix);
        Projection own = site.Over(weight);
        return new RequantizedProjection(site, own, weight, Delta(own, start, scale));
    }

    private Tensor FloatsOf(QuantizedWeight packed) => target.Weights.FloatsOf(packed) ?? throw new ArgumentException(
        $"{nameof(LoraOptions)}.{nameof(LoraOptions.Start)} {LoraStart.Loftq} needs the floats of '{packed.Name}', of which the checkpoint has the quantized form alone.",
        nameof(LoraOptions.Start));

    private IWeightDelta Delta(Projection site, (Tensor A, Tensor B) start, double scale)
    {
        // Under DoRA the dropout is not the update's alone.
        var lora = new LoraDelta(New(site.Path + A, start.A), New(site.Path + B, start.B), scale, options.UseDora ? 0 : options.Values.Dropout);
        IWeightDelta delta = StartValues.TakesFromWeight(options.Start) ? new StartedDelta(lora) : lora;
        lora.B.LearningRateScale = options.LoraPlusRatio;
        return options.UseDora ? Dora(site, delta) : delta;
    }

    private DoraDelta Dora(Projection site, IWeightDelta direction)
    {
        Parameter magnitude = Magnitude(site.Path, site.Weight.Outputs, () => DoraDelta.Norm(site, direction));
        magnitude.LearningRateScale = options.LoraPlusRatio;
        return new DoraDelta(site, direction, magnitude, options.Values.Dropout);
    }

    // With which the tuned matrix is the base's own.
    private Parameter Magnitude(string path, long length, Func<Tensor> norm)
    {
        using var noGrad = no_grad();
        string name = path + ".lora_magnitude_vector";
        return New(name, target.Brings(name) ? zeros(length, ScalarType.Float32, generator.device) : norm());
    }

    private static Parameter New(string name, Tensor values) => new(name, values.DetachFromDisposeScope(), owned: true);
}
