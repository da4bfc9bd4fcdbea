using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Lora;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Layers;

/// <summary>A model of two parts, each with tokens and an output of its own: nobody gets the other's.</summary>
[TestClass]
public sealed class TuningSitesTests
{
    private const int Width = 8, Entries = 20;

    [TestMethod]
    public void WhoDoesNotSayWhichVocabularyIsRefused()
    {
        using ModelWeights weights = TwoParts(out _);
        string tokens = Assert.ThrowsExactly<NotSupportedException>(() => weights.Sites.Tokens).Message;
        Assert.Contains("first.tokens, second.tokens", tokens);
        string output = Assert.ThrowsExactly<NotSupportedException>(() => weights.Sites.Output).Message;
        Assert.Contains("first.lm_head, second.lm_head", output);
        using ITuner tuner = new LoraOptions { TrainableTokens = [3] }.Create();
        Assert.ThrowsExactly<NotSupportedException>(() => tuner.Attach(Target(weights), seed: 1));
    }

    [TestMethod]
    public void AllLinearLeavesBothOutputsOut()
    {
        using ModelWeights weights = TwoParts(out _);
        using var tuner = (LoraTuner)new LoraOptions { TargetModules = [LoraOptions.AllLinear] }.Create();
        tuner.Attach(Target(weights), seed: 1);
        CollectionAssert.AreEqual(new[] { "first.inner", "second.inner" }, tuner.Parts.Select(part => part.Path).ToArray());
    }

    [TestMethod]
    public void ATablesOwnHeadFollowsItsRows()
    {
        using ModelWeights weights = TwoParts(out Projection[] outputs);
        using var tuner = (LoraTuner)new LoraOptions { TrainableTokensByModule = new Dictionary<string, IReadOnlyList<int>> { ["first.tokens"] = [3] } }.Create();
        tuner.Attach(Target(weights), seed: 1);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        tuner.Parts.OfType<TokenRows>().Single().Parameters[0].Value.add_(1);
        Tensor x = ones(1, Width);
        bool Moves(Projection output) => !output.Forward(x, ForwardContext.Inference).allclose(output.Forward(x, new ForwardContext { Adapter = null }));
        Assert.IsTrue(Moves(outputs[0]), "the head of the table whose row trains");
        Assert.IsFalse(Moves(outputs[1]), "the other part's");
    }

    private static ModelWeights TwoParts(out Projection[] outputs)
    {
        string[] parts = ["first", "second"];
        var weights = new ModelWeights([.. parts.Select(part => new WeightMount([part], null, null))], CPU, 0.1, 1);
        outputs = Array.ConvertAll(parts, part =>
        {
            WeightScope scope = weights.Root[part];
            _ = new Projection(scope["inner"], Width, Width);
            return LanguageModelHead.OutputOf(scope["lm_head"], TokenEmbedding.OfVocabulary(scope["tokens"], Entries, Width), tied: true);
        });
        return weights;
    }

    private static TuningTarget Target(ModelWeights weights) => new(weights, ["inner"], []);
}
