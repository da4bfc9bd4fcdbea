using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tuners;

[TestClass]
public sealed class LoraProductTests
{
    [TestMethod]
    [DataRow(ScalarType.Float32, 0.0, true)]
    [DataRow(ScalarType.Float32, 0.3, true)]
    [DataRow(ScalarType.Float64, 0.3, true)]
    [DataRow(ScalarType.Float32, 0.3, false, DisplayName = "input without gradient")]
    public void Equals_plain_operations(ScalarType type, double rate, bool inputGradient)
    {
        using var scope = NewDisposeScope();
        Tensor x = rand([3, 5, 12], type), w = rand([7, 12], type), a = rand([2, 12], type), b = rand([7, 2], type), weights = rand([3, 5, 7], type);
        DropoutSite? site = rate > 0 ? new DropoutSite(rate, 4) : null;
        Tensor mask = site is null ? ones(1, type) : Dropout.Drop(ones(x.shape, type), site);
        Tensor[] leaves = inputGradient ? [x, w, a, b] : [w, a, b];

        Tensor[] expected = Run(leaves, weights, () => nn.functional.linear(x, w) + (x * mask).matmul(a.t()).matmul(b.t()) * 1.5);
        Tensor[] actual = Run(leaves, weights, () => LoraProduct.AddTo(x, nn.functional.linear(x, w), a, b, 1.5, site));
        for (int i = 0; i < expected.Length; i++)
            TensorAssert.Close(expected[i], actual[i], 1e-5, 1e-5, i == 0 ? "output" : $"gradient {i}");
    }

    [TestMethod]
    [DataRow(1), DataRow(4), DataRow(5)]
    public void Few_tokens_without_gradients(int tokens)
    {
        using var scope = NewDisposeScope();
        using var none = no_grad();
        Tensor x = rand([1, tokens, 12], ScalarType.Float32), plain = rand([1, tokens, 7], ScalarType.Float32), a = rand([2, 12], ScalarType.Float32), b = rand([7, 2], ScalarType.Float32);
        Tensor expected = plain + x.matmul(a.t()).matmul(b.t()) * 1.5;
        Tensor found = LoraProduct.AddTo(x, plain, a, b, 1.5, null);
        TensorAssert.Close(expected, found, 1e-5, 1e-5, "output");
        TensorAssert.Close(found, plain, 0, 0, "the output's own memory");
    }

    private static Tensor[] Run(Tensor[] leaves, Tensor weights, Func<Tensor> product)
    {
        foreach (Tensor leaf in leaves)
        {
            leaf.requires_grad = true;
            leaf.grad = null;
        }
        Tensor output = product();
        BackwardPass.Run((output * weights).sum());
        return [output, .. leaves.Select(leaf => leaf.grad!.clone())];
    }
}
