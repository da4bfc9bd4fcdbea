using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Layers;

[TestClass]
public sealed class DropoutTests
{
    private static readonly DropoutSite Site = new(0.3, 11);

    // Doubles take the path of plain operations, floats the kernel where there is one.
    [TestMethod]
    [DataRow(ScalarType.Float32)]
    [DataRow(ScalarType.Float64)]
    public void Values_and_gradients_are_those_of_one_mask(ScalarType type)
    {
        using var scope = NewDisposeScope();
        Tensor x = rand([40, 50, 30], type).transpose(0, 1).detach().requires_grad_();
        Tensor mask = Dropout.Drop(ones(x.shape, type), Site), weights = rand(x.shape, type);
        Tensor y = Dropout.Apply(x, Site);
        BackwardPass.Run((y * weights).sum());

        TensorAssert.Close(x * mask, y, 0, 1e-6, "values");
        TensorAssert.Close(weights * mask, x.grad!, 0, 1e-6, "gradients");
        Assert.AreEqual(0.3, (mask == 0).to(ScalarType.Float64).mean().item<double>(), 0.01);
        Assert.AreEqual(1 / 0.7, mask.max().to(ScalarType.Float64).item<double>(), 1e-6);
    }

    [TestMethod]
    [DataRow(ScalarType.Float32)]
    [DataRow(ScalarType.Float64)]
    public void A_dropped_sum_is_the_residual_plus_the_dropped_output(ScalarType type)
    {
        using var scope = NewDisposeScope();
        Tensor residual = rand([7, 30, 90], type).transpose(1, 2).requires_grad_(), x = rand([7, 90, 30], type).requires_grad_();
        Tensor weights = rand([7, 90, 30], type), mask = Dropout.Drop(ones([7, 90, 30], type), Site);
        Tensor sum = DroppedSum.Of(residual, x * 2, Site);
        BackwardPass.Run((sum * weights).sum());

        TensorAssert.Close(residual + x * 2 * mask, sum, 1e-6, 1e-6, "values");
        TensorAssert.Close(weights, residual.grad!, 0, 0, "residual's gradient");
        TensorAssert.Close(weights * mask * 2, x.grad!, 0, 1e-6, "output's gradient");
    }

    [TestMethod]
    public void A_dropped_sum_over_memory_that_backward_needs_is_an_error()
    {
        using var scope = NewDisposeScope();
        Tensor x = rand(10).requires_grad_();
        Tensor sum = DroppedSum.Of(x, x.tanh(), Site);
        var e = Assert.Throws<Exception>(() => BackwardPass.Run(sum.sum()));
        StringAssert.Contains(e.Message, "inplace operation");
    }

    [TestMethod]
    public void Every_dropout_of_a_pass_draws_for_itself_and_every_pass_by_its_key()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones(1000);
        Tensor[] Masks(long key)
        {
            var context = new ForwardContext { Seeds = new DropoutSeeds(key) };
            return [context.Dropout(x, 0.5), context.Dropout(x, 0.5), context.Dropout(x, 0), context.Dropout(x, 0.5)];
        }
        Tensor[] first = Masks(1), again = Masks(1), other = Masks(2);
        Assert.AreSame(x, first[2]);
        Assert.AreSame(x, ForwardContext.Inference.Dropout(x, 0.5));
        foreach (int i in new[] { 0, 1, 3 })
        {
            Assert.IsTrue(first[i].Equals(again[i]));
            Assert.IsFalse(first[i].Equals(other[i]));
            Assert.IsFalse(first[i].Equals(first[(i + 1) % 4]));
        }
    }

    [TestMethod]
    public void Tensors_stay_flat()
    {
        Step();
        long before = LiveTensors.Settled();
        for (int i = 0; i < 100; i++)
            Step();
        Assert.AreEqual(before, Tensor.TotalCount);

        static void Step()
        {
            using var scope = NewDisposeScope();
            var context = new ForwardContext { Seeds = new DropoutSeeds(1) };
            Tensor x = rand(100).requires_grad_();
            BackwardPass.Run(context.Dropout(context.Dropout(x, 0.5), 0.5).sum());
        }
    }
}
