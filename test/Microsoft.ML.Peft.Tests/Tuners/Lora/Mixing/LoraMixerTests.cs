using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tuners.Lora.Mixing;

/// <summary>Mixing of adapters, on small matrices; the numbers of PEFT are in the parity cases.</summary>
[TestClass]
public sealed class LoraMixerTests
{
    private const string Site = "model.layer", A = "base_model.model.model.layer.lora_A.weight", B = "base_model.model.model.layer.lora_B.weight";
    private const int Inputs = 12, Outputs = 10;

    [TestMethod]
    public void CatIsTheExactSum()
    {
        using var scope = NewDisposeScope();
        AdapterState a = Random("a", 2, 1), b = Random("b", 3, 2);
        using AdapterState mixed = Mix([(a, 0.7), (b, -0.4)], new AdapterMixOptions { Method = AdapterMixMethod.Cat });
        Assert.AreEqual(5, ((LoraOptions)mixed.Settings).Rank);
        TensorAssert.Close(Update(a) * 0.7 - Update(b) * 0.4, Update(mixed), 1e-5, 1e-4, "the sum");
    }

    [TestMethod]
    public void TheSumOfFewRanksSurvivesTheDecomposition()
    {
        using var scope = NewDisposeScope();
        AdapterState a = Random("a", 2, 1, alpha: 2), b = Random("b", 3, 2, alpha: 3);
        using AdapterState mixed = Mix([(a, 0.7), (b, -0.4)], new AdapterMixOptions { SvdRank = 5 });
        TensorAssert.Close(Update(a) * 0.7 - Update(b) * 0.4, Update(mixed), 1e-5, 1e-4, "the sum at a scale of 1");
        using AdapterState cut = Mix([(a, 1), (b, 1)], new AdapterMixOptions { SvdClamp = 0.5 });
        Assert.AreEqual(3, cut.Tensors.ShapeOf(A)[0], "the largest rank");
        Assert.AreEqual(cut.Tensors.Read(A).max().item<float>(), cut.Tensors.Read(B).max().item<float>(), "both are cut at one value");
    }

    [TestMethod]
    [DataRow(AdapterMixMethod.DareLinear)]
    [DataRow(AdapterMixMethod.DareLinearSvd)]
    [DataRow(AdapterMixMethod.DareTies)]
    [DataRow(AdapterMixMethod.DareTiesSvd)]
    public void WhatDareDropsDependsOnTheSeedAlone(AdapterMixMethod method)
    {
        using var scope = NewDisposeScope();
        AdapterState a = Random("a", 3, 1), b = Random("b", 3, 2);
        Tensor Of(long seed)
        {
            using AdapterState mixed = Mix([(a, 1), (b, 1)], new AdapterMixOptions { Method = method, Density = 0.5, Seed = seed });
            return Update(mixed);
        }
        Tensor first = Of(1);
        TensorAssert.Close(first, Of(1), 0, 0, "the same seed");
        Assert.IsGreaterThan(1e-3, (first - Of(2)).abs().max().item<float>(), "another seed");
    }

    [TestMethod]
    public void WhatIsLeftIsEnlargedInDare()
    {
        using var scope = NewDisposeScope();
        AdapterState a = Random("a", 4, 1, alpha: 4), zero = Random("z", 4, 2, alpha: 4);
        zero.Tensors.Read(A).zero_();
        zero.Tensors.Read(B).zero_();
        using AdapterState mixed = Mix([(a, 1), (zero, 1)], new AdapterMixOptions { Method = AdapterMixMethod.DareLinear, Density = 0.5 });
        Tensor ratio = mixed.Tensors.Read(A) / a.Tensors.Read(A);
        Assert.IsTrue(ratio.round(0).isin(tensor(new[] { 0f, 2f })).all().item<bool>(), "nothing or twice");
        Assert.AreEqual(0.5, ratio.ne(0).mean([0, 1], type: ScalarType.Float32).item<float>(), 0.25);
    }

    [TestMethod]
    public void TiesKeepsTheMajoritysValues()
    {
        using var scope = NewDisposeScope();
        // Rank 1, scale 1: factors are 1 but for A's first two values.
        AdapterState a = Given("a", [3, 1]), b = Given("b", [-1, 2]), c = Given("c", [-1, 4]);
        var options = new AdapterMixOptions { Method = AdapterMixMethod.Ties, Density = 1 };
        using AdapterState total = Mix([(a, 1), (b, 1), (c, 1)], options);
        Assert.AreEqual(3f, total.Tensors.Read(A)[0, 0].item<float>(), 1e-6, "3 - 1 - 1 is positive: 3 alone counts");
        Assert.AreEqual(7 / 3f, total.Tensors.Read(A)[0, 1].item<float>(), 1e-6, "the mean of all three");
        options.MajoritySign = MajoritySignMethod.Frequency;
        using AdapterState frequency = Mix([(a, 1), (b, 1), (c, 1)], options);
        Assert.AreEqual(-1f, frequency.Tensors.Read(A)[0, 0].item<float>(), 1e-6, "two of three are negative");
    }

    [TestMethod]
    [DataRow(AdapterMixMethod.Ties, null)]
    [DataRow(AdapterMixMethod.MagnitudePruneSvd, 1.5)]
    [DataRow(AdapterMixMethod.DareLinear, 0.0)]
    public void ADensityIsAskedFor(AdapterMixMethod method, double? density)
    {
        AdapterState a = Random("a", 3, 1), b = Random("b", 3, 2);
        string message = Assert.ThrowsExactly<ArgumentException>(() => Mix([(a, 1), (b, 1)], new AdapterMixOptions { Method = method, Density = density })).Message;
        Assert.Contains("Density", message);
        Assert.Contains(method.ToString(), message);
    }

    [TestMethod]
    public void ARankBeyondTheMatrixIsRefused()
    {
        AdapterState a = Random("a", 3, 1), b = Random("b", 3, 2);
        Assert.Contains($"'{Site}'", Assert.ThrowsExactly<ArgumentException>(() => Mix([(a, 1), (b, 1)], new AdapterMixOptions { SvdRank = 11 })).Message);
    }

    [TestMethod]
    [DataRow("base_model.model.model.layer.lora_magnitude_vector", "DoRA")]
    [DataRow("base_model.model.model.embed.token_adapter.trainable_tokens_delta", "tokens")]
    [DataRow("base_model.model.score.weight", "score.weight")]
    public void WhatCannotBeMixedIsNamed(string tensor, string named)
    {
        using AdapterState a = With(Random("a", 3, 1), tensor), b = With(Random("b", 3, 2), tensor);
        Assert.Contains(named, Assert.ThrowsExactly<NotSupportedException>(() => Mix([(a, 1), (b, 1)], new AdapterMixOptions())).Message);
    }

    private static AdapterState Mix(IReadOnlyList<(AdapterState, double)> parts, AdapterMixOptions options) => ((IMixable)parts[0].Item1.Settings).Mix("mix", parts, options);

    private static Tensor Update(AdapterState state) => state.Tensors.Read(B).mm(state.Tensors.Read(A)) * ((LoraOptions)state.Settings).SizeOf(Site).Scale;

    private static AdapterState Random(string name, int rank, long seed, double alpha = 8)
    {
        using var generator = new Generator((ulong)seed);
        return State(name, rank, alpha, randn(rank, Inputs, generator: generator), randn(Outputs, rank, generator: generator));
    }

    private static AdapterState Given(string name, float[] first)
    {
        Tensor a = ones(1, Inputs);
        for (int i = 0; i < first.Length; i++)
            a[0, i] = first[i];
        return State(name, 1, 1, a, ones(Outputs, 1));
    }

    private static AdapterState State(string name, int rank, double alpha, Tensor a, Tensor b) => new(
        name, new LoraOptions { Rank = rank, Alpha = alpha }, new HeldTensors(name, new Dictionary<string, Tensor>
        {
            [A] = a.DetachFromDisposeScope(), [B] = b.DetachFromDisposeScope(),
        }));

    private static AdapterState With(AdapterState state, string tensor) => state with
    {
        Tensors = new HeldTensors(state.Name, state.Tensors.Names.ToDictionary(name => name, state.Tensors.Read)
            .Append(KeyValuePair.Create(tensor, ones(2))).ToDictionary(t => t.Key, t => t.Value)),
    };
}
