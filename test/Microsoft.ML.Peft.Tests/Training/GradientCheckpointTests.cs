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
        Tensor[] plain = Gradients(inputGradient, (x, block) => block(x)), checkpointed = Gradients(inputGradient, GradientCheckpoint.Run);
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
        Tensor loss = GradientCheckpoint.Run(x, v => runs++ == 0 ? v * 2 : throw new IOException("second run")).sum();
        Assert.AreEqual("second run", Assert.ThrowsExactly<IOException>(() => GradientCheckpoint.Backward(loss)).Message);
        GradientCheckpoint.Backward((x * 3).sum());
    }

    [TestMethod]
    public void Tensors_stay_flat()
    {
        Gradients(true, GradientCheckpoint.Run);
        long before = Tensor.TotalCount;
        for (int i = 0; i < 50; i++)
            Array.ForEach(Gradients(true, GradientCheckpoint.Run), g => g.Dispose());
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    private static Tensor[] Gradients(bool inputGradient, Func<Tensor, Func<Tensor, Tensor>, Tensor> run)
    {
        using var scope = NewDisposeScope();
        manual_seed(3).Dispose();
        Tensor x = rand(4, 5), a = rand(5, 5).requires_grad_(), b = rand(5, 5).requires_grad_();
        x.requires_grad = inputGradient;
        Tensor hidden = run(x, v => nn.functional.dropout(v.matmul(a).tanh(), 0.5, true));
        Tensor output = run(hidden, v => nn.functional.dropout(v.matmul(b).tanh(), 0.5, true));
        GradientCheckpoint.Backward(output.sum());
        return [.. new[] { a, b, x }.Select(t => t.grad).OfType<Tensor>().Select(g => g.DetachFromDisposeScope())];
    }
}
