using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tuners.Prefix;

/// <summary>Where a prefix starts from.</summary>
[TestClass]
public sealed class PrefixStartTests
{
    private static readonly int[] s_text = [9, 40, 7, 61, 5, 33, 12];

    [TestMethod]
    [DataRow("llama"), DataRow("gpt2"), DataRow("qwen2")]
    public void ATextsKeysAndValuesAreTheTextItself(string type)
    {
        using var folder = new TinyDecoder(type);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using PretrainedModel model = Open(folder.Folder);
        Head head = model.As<ICausalLanguageModel>().CreateLanguageModelHead();
        Tensor whole = Logits(model, head, [.. s_text, 20, 21, 22]);
        using ITuner tuner = Attach(model, head, new PrefixOptions { VirtualTokens = s_text.Length - 2, Start = PrefixStart.Text, StartText = "x" }, s_text);
        Tensor behind = Logits(model, head, [.. s_text[^2..], 20, 21, 22]);
        TensorAssert.Close(whole.narrow(1, s_text.Length - 2, 5), behind, 1e-4, 1e-4, "the text in the prefix and the text read");
    }

    [TestMethod]
    public void StartsDiffer()
    {
        using var folder = new TinyDecoder();
        using var scope = NewDisposeScope();
        using PretrainedModel model = Open(folder.Folder);
        Head head = model.As<ICausalLanguageModel>().CreateLanguageModelHead();
        Tensor Table(PrefixOptions options, long seed = 3)
        {
            using ITuner tuner = Attach(model, head, options, s_text, seed);
            return tuner.Export().Single(tensor => tensor.Name == VirtualTokenTuner.TableName).Value.detach().clone();
        }
        Tensor random = Table(new() { VirtualTokens = 4 }), sampled = Table(new() { VirtualTokens = 4, Start = PrefixStart.SampledVocabulary });
        Assert.AreEqual(1, random.std().item<float>(), 0.1);
        Assert.AreEqual(0, Table(new() { VirtualTokens = 4, Start = PrefixStart.Zero }).abs().max().item<float>());
        Assert.AreEqual(0, Table(new() { VirtualTokens = 4, Start = PrefixStart.Zero, PrefixProjection = true }).abs().max().item<float>());
        Assert.IsGreaterThan(0.01, (sampled - Table(new() { VirtualTokens = 4, Start = PrefixStart.SampledVocabulary }, seed: 4)).abs().max().item<float>());
        TensorAssert.Close(sampled, Table(new() { VirtualTokens = 4, Start = PrefixStart.SampledVocabulary }), 0, 0, "the same seed");
    }

    [TestMethod]
    public void ATextThatIsTooShortIsRefused()
    {
        using var folder = new TinyDecoder();
        using PretrainedModel model = Open(folder.Folder);
        Head head = model.As<ICausalLanguageModel>().CreateLanguageModelHead();
        string message = Assert.ThrowsExactly<ArgumentException>(
            () => Attach(model, head, new PrefixOptions { VirtualTokens = 8, Start = PrefixStart.Text, StartText = "x" }, s_text)).Message;
        Assert.Contains(nameof(PrefixOptions.StartText), message);
        Assert.Contains("7 tokens", message);
        Assert.Contains("8", message);
    }

    [TestMethod]
    public void StartsThatContradictOtherSettingsAreRefused()
    {
        Refused(new() { Start = PrefixStart.Text }, nameof(PrefixOptions.StartText));
        Refused(new() { StartText = "x" }, nameof(PrefixOptions.StartText));
        Refused(new() { Start = PrefixStart.Text, StartText = "x", PrefixProjection = true }, nameof(PrefixOptions.PrefixProjection));
        Refused(new() { Start = PrefixStart.SampledVocabulary, PrefixProjection = true }, nameof(PrefixOptions.PrefixProjection));
        Refused(new() { VirtualTokens = 0 }, nameof(PrefixOptions.VirtualTokens));
        Refused(new() { Dropout = 1 }, nameof(PrefixOptions.Dropout));
        Refused(new() { EncoderHiddenSize = 0 }, nameof(PrefixOptions.EncoderHiddenSize));
        Refused(new() { Parts = (PrefixParts)7 }, nameof(PrefixOptions.Parts));
    }

    private static void Refused(PrefixOptions options, string name)
    {
        var refused = Assert.Throws<ArgumentException>(() => options.Create());
        Assert.Contains(name, refused.Message);
    }

    private static PretrainedModel Open(string folder) => ModelRegistry.Create(HfConfig.Load(folder), SharedCheckpoint.Acquire(folder, CPU), CPU, seed: 5);

    private static ITuner Attach(PretrainedModel model, Head head, PrefixOptions options, int[] text, long seed = 3)
    {
        TunerOptions known = options.Start == PrefixStart.Text ? ((IStartsFromTexts)options).WithTokens(new StartWords(_ => text, _ => text, [])) : options;
        ITuner tuner = known.Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, head.Parameters) { KeysOf = ids => TokenKeys.Of(model, ids) }, seed);
        return tuner;
    }

    private static Tensor Logits(PretrainedModel model, Head head, int[] ids)
    {
        using var batch = new Batch { Ids = tensor([.. ids.Select(id => (long)id)], ScalarType.Int64, CPU).unsqueeze(0), PadsEnd = true, Examples = [] };
        Tensor states = ((TextModel)model).Forward(batch, PositionSelection.All, ForwardContext.Inference);
        return head.Forward(states, batch, ForwardContext.Inference);
    }
}
