using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training;

[TestClass]
public sealed class AdamWTests
{
    private static readonly TrainingOptions Options = new() { WeightDecay = 0.1, Beta1 = 0.8, Beta2 = 0.95, Epsilon = 1e-6 };

    [TestMethod]
    public void Steps_equal_a_scalar_reference_in_doubles()
    {
        using Parameter weight = Trainable("w", 1, 1), bias = Trainable("b", 1);
        using var optimizer = new Optimizer([weight, bias], TinyRun.Settings(Options));
        double p = 0.5, q = 0.5, m = 0, v = 0;
        for (int t = 1; t <= 20; t++)
        {
            double g = Math.Sin(t), rate = 0.01 * t;
            SetGradient(weight, 2 * g);
            SetGradient(bias, 2 * g);
            optimizer.Step(rate, gradientScale: 0.5);
            m = 0.8 * m + 0.2 * g;
            v = 0.95 * v + 0.05 * g * g;
            double update = rate / (1 - Math.Pow(0.8, t)) * m / (Math.Sqrt(v) / Math.Sqrt(1 - Math.Pow(0.95, t)) + 1e-6);
            p = p * (1 - rate * 0.1) - update;
            q -= update;
            Assert.AreEqual(p, weight.Value.item<float>(), 2e-6, $"step {t}");
            Assert.AreEqual(q, bias.Value.item<float>(), 2e-6, $"step {t}: biases do not decay");
        }
    }

    [TestMethod]
    public void Both_kernels_agree()
    {
        if (!PeftNative.IsAvailable)
            Assert.Inconclusive(PeftNative.UnavailableReason!);
        using var scope = NewDisposeScope();
        Tensor[][] sets = [Tensors(), Tensors()];
        IAdamWKernel[] kernels = [new TorchAdamW(), new NativeAdamW()];
        for (int t = 1; t <= 5; t++)
        {
            for (int k = 0; k < 2; k++)
                kernels[k].Step(sets[k][0], sets[k][1].clone(), sets[k][2], sets[k][3], new AdamWStep(t) { GradientScale = 0.3 });
        }
        foreach (var (torch, native) in sets[0].Zip(sets[1]))
            Assert.IsTrue(allclose(torch, native, 1e-5, 1e-7));

        static Tensor[] Tensors() => [linspace(-1, 1, 1001), linspace(2, -3, 1001), zeros(1001), zeros(1001)];
    }

    [TestMethod]
    public void A_parameter_without_gradient_stays()
    {
        using Parameter moved = Trainable("moved", 2, 2), still = Trainable("still", 2, 2);
        using var optimizer = new Optimizer([moved, still], TinyRun.Settings(Options));
        SetGradient(moved, 1);
        optimizer.Step(0.1, 1);
        Assert.AreEqual(0.5f, still.Value[0, 0].item<float>());
        Assert.AreNotEqual(0.5f, moved.Value[0, 0].item<float>());
        Assert.HasCount(1, optimizer.Export().ToList());
    }

    [TestMethod]
    public void The_norm_goes_over_all_parameters_and_the_factor_down_to_the_limit()
    {
        using Parameter a = Trainable("a", 2, 2), b = Trainable("b", 5), none = Trainable("none", 3);
        SetGradient(a, 3);
        SetGradient(b, -2);
        double norm = new[] { a, b, none }.GradientNorm();
        Assert.AreEqual(Math.Sqrt(4 * 9 + 5 * 4), norm, 1e-5);
        Assert.AreEqual(1, norm * ParameterGradients.ClippingFactor(norm, 1), 1e-5);
        Assert.AreEqual(1, ParameterGradients.ClippingFactor(norm, 100));
        Assert.AreEqual(0, new[] { none }.GradientNorm());
    }

    private static Parameter Trainable(string name, params long[] shape)
    {
        var parameter = new Parameter(name, full(shape, 0.5f).DetachFromDisposeScope(), owned: true);
        parameter.MakeTrainable();
        return parameter;
    }

    private static void SetGradient(Parameter parameter, double value)
    {
        using Tensor gradient = full_like(parameter.Value, value);
        using Tensor plain = gradient.detach();
        parameter.Value.grad = plain;
    }
}
