using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.VisionLanguage.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tests.Models;

/// <summary>Virtual tokens in CLIP's text tower: a text has to leave them positions.</summary>
[TestClass]
public sealed class TowerPromptTests
{
    [TestMethod]
    public void APromptBeyondThePositionsIsNamed()
    {
        using var folder = new TinyClip();
        using var model = (Clip)BaseModels.Open(folder.Folder, CPU, seed: 1);
        int positions = model.Texts.MaxLength;
        using ITuner tuner = new PromptOptions { VirtualTokens = positions - 3 }.Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, []), seed: 1);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Assert.AreEqual(1, Encode(model, folder, 1).size(0), "three tokens fit");
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Encode(model, folder, 2)).Message;
        Assert.Contains($"{positions + 1} positions", message);
        Assert.Contains($"the model {positions}", message);
    }

    // Start, so many words, end.
    private static Tensor Encode(Clip model, TinyClip folder, int words)
    {
        var tokenizer = Peft.Tokenization.TextTokenizer.Load(folder.Folder);
        int start = tokenizer.BosId!.Value, end = tokenizer.EosId!.Value;
        using Batch batch = Batch.Collate([new Example { Ids = [start, .. Enumerable.Repeat(5, words), end] }], CPU, withLabels: false);
        return model.Texts.Encode(batch, ForwardContext.Inference);
    }
}
