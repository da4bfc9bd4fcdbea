using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training;

[TestClass]
public sealed class SgdTests
{
    [TestMethod]
    public void Steps_are_torchs()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        Tensor start = randn(40, 7, generator: random);
        using var ours = new Parameter("w", start.clone().DetachFromDisposeScope(), owned: true);
        ours.MakeTrainable();
        var theirs = new TorchSharp.Modules.Parameter(start.clone());
        using var optimizer = new Optimizer([ours], TinyRun.Settings(new() { Optimizer = TrainingOptimizer.Sgd, Beta1 = 0.8, WeightDecay = 0.05 }));
        using var expected = optim.SGD([theirs], learningRate: 0.02, momentum: 0.8, weight_decay: 0.05);
        for (int step = 0; step < 6; step++)
        {
            Tensor gradient = randn(40, 7, generator: random);
            ours.Value.grad = 4 * gradient;
            theirs.grad = gradient;
            optimizer.Step(0.02, gradientScale: 0.25);
            expected.step();
            Assert.IsTrue(allclose(theirs, ours.Value, 1e-6, 1e-7), $"step {step + 1}");
        }
        Assert.AreEqual(sizeof(float) * start.numel(), optimizer.StateBytes);
    }

    [TestMethod]
    public void What_only_AdamW_reads_is_refused()
    {
        foreach (TrainingOptions options in new TrainingOptions[] { new() { Beta2 = 0.98 }, new() { Epsilon = 1e-6 } })
        {
            TinyRun.Settings(options).Validate();
            options.Optimizer = TrainingOptimizer.Sgd;
            Assert.Contains("Sgd", Assert.ThrowsExactly<ArgumentException>(TinyRun.Settings(options).Validate).Message);
        }
    }
}
