using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Full;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training;

/// <summary>Weights between start and end (WiSE-FT).</summary>
[TestClass]
public sealed class WeightInterpolationTests
{
    [TestMethod]
    public void WholeWeightsGoStraight()
    {
        using var scope = NewDisposeScope();
        using var weights = Weights(out Projection layer);
        using ITuner tuner = Attach(new FullOptions(), weights);
        using var interpolation = new WeightInterpolation(tuner);
        Tensor start = Matrix(layer), end = Change(tuner, layer);
        AreClose(start, At(0), 0);
        AreClose(end, At(1), 0);
        AreClose(start * 0.75 + end * 0.25, At(0.25), 1e-6);

        Tensor At(double share)
        {
            interpolation.Set(share);
            return Matrix(layer);
        }
    }

    [TestMethod]
    [DataRow(LoraStart.Uniform)]
    [DataRow(LoraStart.Gaussian)]
    public void AnUpdateOfLoraIsScaled(LoraStart start)
    {
        using var scope = NewDisposeScope();
        using var weights = Weights(out Projection layer);
        using ITuner tuner = Attach(new LoraOptions { Rank = 2, TargetModules = ["layer"], Start = start }, weights);
        using var interpolation = new WeightInterpolation(tuner);
        CollectionAssert.AreEqual(new[] { "layer.lora_B.weight" }, tuner.Interpolated.Select(parameter => parameter.Name).ToArray());
        Tensor plain = Answer(layer), whole = Change(tuner, layer);
        interpolation.Set(0.3);
        AreClose(plain + ((whole - plain) * 0.3), Answer(layer), 1e-5);
        interpolation.Set(0);
        AreClose(plain, Answer(layer), 0);
        interpolation.Set(1);
        AreClose(whole, Answer(layer), 0);
    }

    [TestMethod]
    [DataRow(LoraStart.Pissa, false)]
    [DataRow(LoraStart.Olora, false)]
    [DataRow(LoraStart.Uniform, true)]
    public void OtherUpdatesBeginAndEndWhereTheyDid(LoraStart start, bool dora)
    {
        using var scope = NewDisposeScope();
        using var weights = Weights(out Projection layer);
        using ITuner tuner = Attach(new LoraOptions { Rank = 2, TargetModules = ["layer"], Start = start, UseDora = dora }, weights);
        using var interpolation = new WeightInterpolation(tuner);
        Tensor plain = Answer(layer), whole = Change(tuner, layer);
        interpolation.Set(0);
        AreClose(plain, Answer(layer), 1e-6);
        interpolation.Set(1);
        AreClose(whole, Answer(layer), 0);
    }

    private static ModelWeights Weights(out Projection layer)
    {
        var weights = new ModelWeights(null, "layer", CPU, 0.5, seed: 3);
        layer = new Projection(weights.Root["layer"], 4, 5);
        return weights;
    }

    private static ITuner Attach(TunerOptions options, ModelWeights weights)
    {
        ITuner tuner = options.Create();
        tuner.Attach(new TuningTarget(weights, ["layer"], []), seed: 2);
        return tuner;
    }

    // Moves all that trains, and gives what comes of it.
    private static Tensor Change(ITuner tuner, Projection layer)
    {
        using var noGrad = no_grad();
        foreach (Parameter parameter in tuner.Trainable)
            parameter.Value.add_(linspace(-0.2, 0.3, parameter.Value.numel()).view_as(parameter.Value));
        return tuner.IsAdapter ? Answer(layer) : Matrix(layer);
    }

    private static Tensor Matrix(Projection layer) => layer.Weight.Dequantize().detach().clone();

    private static Tensor Answer(Projection layer)
    {
        using var noGrad = no_grad();
        return layer.Forward(linspace(-1, 1, 12).view(1, 3, 4), ForwardContext.Inference).clone();
    }

    private static void AreClose(Tensor expected, Tensor actual, double tolerance) =>
        Assert.IsLessThanOrEqualTo(tolerance, (expected - actual).abs().max().item<float>());
}
