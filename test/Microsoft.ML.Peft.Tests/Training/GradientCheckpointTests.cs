using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training;

[TestClass]
public sealed class GradientCheckpointTests
{
    [TestMethod]
    [DataRow(true)]
    [DataRow(false, DisplayName = "input without gradient")]
    public void Gradients_are_identical_with_dropout(bool inputGradient)
    {
        Tensor[] plain = Gradients(inputGradient, checkpointing: false), checkpointed = Gradients(inputGradient);
        Assert.HasCount(inputGradient ? 3 : 2, plain);
        foreach (var (expected, actual) in plain.Zip(checkpointed))
            CollectionAssert.AreEqual(expected.data<float>().ToArray(), actual.data<float>().ToArray());
    }

    [TestMethod]
    public void An_exception_in_the_backward_pass_comes_out()
    {
        using var scope = NewDisposeScope();
        int runs = 0;
        Tensor x = ones(3).requires_grad_();
        Tensor loss = GradientCheckpoint.Run(v => runs++ == 0 ? v[0] * 2 : throw new IOException("second run"), x).sum();
        Assert.AreEqual("second run", Assert.ThrowsExactly<IOException>(() => BackwardPass.Run(loss)).Message);
        BackwardPass.Run((x * 3).sum());
    }

    [TestMethod]
    public void Tensors_stay_flat()
    {
        Gradients(true);
        // What other tests left behind must not go meanwhile.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long before = Tensor.TotalCount;
        for (int i = 0; i < 50; i++)
            Array.ForEach(Gradients(true), g => g.Dispose());
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    private static Tensor[] Gradients(bool inputGradient, bool checkpointing = true)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        var context = new ForwardContext { Seeds = new DropoutSeeds(3), Checkpointing = checkpointing };
        Tensor x = rand(4, 5, generator: generator), a = rand(5, 5, generator: generator), b = rand(5, 5, generator: generator);
        a.requires_grad = b.requires_grad = true;
        x.requires_grad = inputGradient;
        Tensor hidden = context.Block(x, v => context.Dropout(context.Dropout(v.matmul(a).tanh(), 0.5), 0.2));
        Tensor output = context.Block(context.Dropout(hidden, 0.1), v => context.Dropout(v.matmul(b).tanh(), 0.5));
        BackwardPass.Run(context.Dropout(output, 0.3).sum());
        return [.. new[] { a, b, x }.Select(t => t.grad).OfType<Tensor>().Select(g => g.DetachFromDisposeScope())];
    }
}
