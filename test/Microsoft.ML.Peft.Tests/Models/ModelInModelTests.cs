using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Models;

[TestClass]
public sealed class ModelInModelTests
{
    /// <summary>A language model below another's name: it writes what it writes alone, and so does one of two.</summary>
    [TestMethod]
    public void ADecoderWritesTheSameAsAPartOfALargerModel()
    {
        using var folder = new TinyDecoder();
        using HostedModel alone = HostedModel.Decoder(folder.Folder);
        HfConfig config = HfConfig.Load(folder.Folder);
        var held = new HeldTensors("two models", alone.Model.Weights.All.Where(weight => !weight.IsNew)
            .SelectMany(weight => new[] { "first.", "second." }.Select(part => (Name: part + weight.Name, Value: part == "first." ? weight.Value.alias() : weight.Value * 2)))
            .ToDictionary(weight => weight.Name, weight => weight.Value.DetachFromDisposeScope()));
        using var weights = new ModelWeights([new WeightMount(["first", "second"], SharedCheckpoint.From(held, CPU), null)], CPU, 0.02, 1);
        Llama first = new(config, weights.Root["first"]), second = new(config, weights.Root["second"]);
        weights.Sources.CheckComplete(_ => false);
        using var scope = NewDisposeScope();
        Tensor prompt = tensor(new long[] { 9, 8, 7 }).unsqueeze(0);
        TensorAssert.Close(Last(alone.Model.As<IContinuesTexts>(), prompt), Last(first, prompt), 1e-6, 0, "the first part");
        Assert.IsFalse(Last(first, prompt).allclose(Last(second, prompt)), "the second has weights of its own");
        Assert.Contains("first.model.embed_tokens, second.model.embed_tokens", Assert.ThrowsExactly<NotSupportedException>(() => weights.Sites.Tokens).Message);
    }

    private static Tensor Last(IContinuesTexts model, Tensor prompt)
    {
        using IJoinableSession session = model.Open(model.CreateLanguageModelHead(), ForwardContext.Inference);
        return session.Read(prompt, null);
    }
}
