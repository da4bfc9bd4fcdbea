using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tuners.Lora;

/// <summary>DoRA as PEFT's <c>DoraLinearLayer.forward</c> has it, with dropout and without, and its gradients.</summary>
[TestClass]
public sealed class DoraDropoutTests
{
    [TestMethod]
    [DataRow(0.0)]
    [DataRow(0.5)]
    public void ItIsPeftsFormula(double dropout)
    {
        using var scope = NewDisposeScope();
        using var weights = new ModelWeights(null, "base", CPU, 0.5, seed: 1);
        var site = new Projection(weights.Root["base"]["layer"], 6, 5);
        site.Bias!.Assign(arange(5, ScalarType.Float32));
        using ITuner tuner = new LoraOptions { Rank = 2, Alpha = 3, Dropout = dropout, UseDora = true, TargetModules = ["layer"] }.Create();
        tuner.Attach(new TuningTarget(weights, [], []), seed: 1);
        Tensor a = tuner.Trainable[0].Value, b = tuner.Trainable[1].Value, m = tuner.Trainable[2].Value;
        using (no_grad())
        {
            b.add_(randn(b.shape));
            m.mul_(1.5f);
        }

        // One row per position, all alike where nothing is dropped: what was dropped shows in the layer's own input.
        Tensor input = eye(6).requires_grad_();
        Tensor output = site.Forward(input, Context());
        Tensor weight = site.Weight.Dequantize(), update = b.mm(a) * 1.5f;
        Tensor gain = m / linalg.vector_norm(weight + update, 2, [1]).detach();
        // Of a row of the identity, dropout leaves nothing or a multiple: the multiple is what the factor of the update says.
        Tensor kept = dropout == 0 ? ones(6, 1) : Kept(output, weight, site.Bias.Value, (gain - 1) * weight.t() + gain * update.t());
        Tensor expected = weight.t() + site.Bias.Value + kept * ((gain - 1) * weight.t() + gain * update.t());
        TensorAssert.Close(expected, output, 1e-5, 1e-5, "output");

        output.square().sum().backward();
        var found = new[] { a.grad!.clone(), b.grad!.clone(), m.grad!.clone() };
        foreach (Tensor parameter in new[] { a, b, m })
            parameter.grad = null;
        expected.square().sum().backward();
        for (int i = 0; i < found.Length; i++)
            TensorAssert.Close(new[] { a, b, m }[i].grad!, found[i], 1e-4, 1e-4, tuner.Trainable[i].Name);
    }

    private static ForwardContext Context() => new() { Seeds = new DropoutSeeds(1) };

    private static Tensor Kept(Tensor output, Tensor weight, Tensor bias, Tensor change)
    {
        using var noGrad = no_grad();
        Tensor ratio = ((output - weight.t() - bias) / change).mean([1], keepdim: true);
        Tensor kept = ratio.round();
        TensorAssert.Close(kept, ratio, 1e-3, 0, "what dropout leaves of a row: nothing or twice it");
        Assert.IsGreaterThan(0, kept.sum().item<float>());
        return kept;
    }
}
