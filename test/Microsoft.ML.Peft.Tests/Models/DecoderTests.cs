using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Models;

/// <summary>Decoders: however a text is read (whole, token by token, padded, packed), it gets the same logits.</summary>
[TestClass]
public sealed class DecoderTests
{
    private const double Tolerance = 2e-5;

    private static readonly int[] s_first = [1, 70, 80, 90, 100, 110, 120], s_second = [1, 200, 30, 44];

    public static IEnumerable<object[]> ModelTypes => [["llama"], ["qwen2"], ["gpt2"], ["opt"], ["opt-350m"]];

    [TestMethod]
    [DynamicData(nameof(ModelTypes))]
    public void TokenByTokenGivesWhatTheWholeTextGives(string modelType)
    {
        using var scope = NewDisposeScope();
        using var folder = new TinyDecoder(modelType);
        using DecoderModel model = Load(folder);
        Tensor whole = Logits(model, s_first);
        using IDecodingSession session = model.Open(model.CreateLanguageModelHead(), ForwardContext.Inference);
        Tensor prompt = tensor(s_first[..3].Select(id => (long)id).ToArray()).unsqueeze(0);
        TensorAssert.Close(whole[2], session.Read(prompt, null)[0], Tolerance, 0, "behind the prompt");
        for (int i = 3; i < s_first.Length; i++)
            TensorAssert.Close(whole[i], session.Next([s_first[i]])[0], Tolerance, 0, $"token {i}");
    }

    [TestMethod]
    [DynamicData(nameof(ModelTypes))]
    public void LeftPaddedRowsGetWhatTheyGetAlone(string modelType)
    {
        using var scope = NewDisposeScope();
        using var folder = new TinyDecoder(modelType);
        using DecoderModel model = Load(folder);
        int padding = s_first.Length - s_second.Length;
        Tensor ids = stack([Ids(s_first), cat([zeros(padding, ScalarType.Int64), Ids(s_second)])]);
        Tensor mask = ones([2, s_first.Length], ScalarType.Bool);
        mask[1].narrow(0, 0, padding).fill_(false);
        using IDecodingSession session = model.Open(model.CreateLanguageModelHead(), ForwardContext.Inference);
        Tensor found = session.Read(ids, mask);
        TensorAssert.Close(Logits(model, s_first)[-1], found[0], Tolerance, 0, "the long row");
        TensorAssert.Close(Logits(model, s_second)[-1], found[1], Tolerance, 0, "the padded row");

        session.Keep([1, 1, 0]);
        found = session.Next([50, 60, 70]);
        TensorAssert.Close(Logits(model, [.. s_second, 50])[-1], found[0], Tolerance, 0, "the padded row goes on");
        TensorAssert.Close(Logits(model, [.. s_second, 60])[-1], found[1], Tolerance, 0, "and otherwise");
        TensorAssert.Close(Logits(model, [.. s_first, 70])[-1], found[2], Tolerance, 0, "the long row goes on");
    }

    [TestMethod]
    [DynamicData(nameof(ModelTypes))]
    public void PackedTextsDoNotSeeEachOther(string modelType)
    {
        using var scope = NewDisposeScope();
        using var folder = new TinyDecoder(modelType);
        using DecoderModel model = Load(folder);
        Example[] texts = [.. new[] { s_first, s_second }.Select(ids => new Example { Ids = ids })];
        Example packed = new PackedExamples(texts, 16, PackedExamples.NextTokens).Single();
        CollectionAssert.AreEqual(new[] { 0, s_first.Length }, packed.Starts);
        CollectionAssert.AreEqual(s_first[1..].Concat(s_second[1..]).ToArray(), packed.Labels);

        using Batch batch = Batch.Collate([packed], CPU, withLabels: true);
        var head = (LanguageModelHead)model.CreateLanguageModelHead();
        Tensor hidden = model.Forward(batch, head.Rows(batch), ForwardContext.Inference);
        Tensor losses = head.TokenLosses(hidden, batch.Labels!, ForwardContext.Inference);
        Tensor expected = cat([Losses(model, s_first), Losses(model, s_second)]);
        TensorAssert.Close(expected, losses, Tolerance, 1e-5, "losses of packed texts");
    }

    [TestMethod]
    public void TheWindowHidesWhatIsFar()
    {
        using var scope = NewDisposeScope();
        using var folder = new TinyDecoder("qwen2", change: config =>
        {
            config["use_sliding_window"] = true;
            config["sliding_window"] = 3;
            config["max_window_layers"] = 0;
        });
        using DecoderModel model = Load(folder);
        // Two layers with a window of 3 reach 4 tokens back, no further.
        Tensor near = Logits(model, [1, 2, 70, 80, 90, 100, 110])[-1], far = Logits(model, [9, 2, 70, 80, 90, 100, 110])[-1];
        TensorAssert.Close(near, far, Tolerance, 0, "a token out of reach");
        Tensor changed = Logits(model, [1, 2, 71, 80, 90, 100, 110])[-1];
        Assert.IsGreaterThan(1e-4, (near - changed).abs().max().item<float>());
    }

    [TestMethod]
    public void LossesInChunksAreThoseOfFullLogits()
    {
        using var scope = NewDisposeScope();
        using var weights = new ModelWeights(null, "m", CPU, 0.3, 1);
        var output = new Projection(weights.Root["out"], 24, 300_000, bias: false);
        Tensor hidden = randn(70, 24).requires_grad_(), labels = randint(300_000, 70L, ScalarType.Int64);
        labels[3].fill_(-100);
        Tensor expected = nn.functional.cross_entropy(nn.functional.linear(hidden, output.Parameters[0].Value), labels, reduction: nn.Reduction.None);
        expected.sum().backward();
        Tensor gradient = hidden.grad!.clone();

        hidden.grad!.zero_();
        Tensor frozen = ChunkedCrossEntropy.Apply(hidden, labels, output, ForwardContext.Inference);
        frozen.sum().backward();
        TensorAssert.Close(expected.detach(), frozen.detach(), 1e-5, 1e-5, "losses over a frozen matrix");
        TensorAssert.Close(gradient, hidden.grad!, 1e-5, 1e-4, "gradient over a frozen matrix");

        hidden.grad!.zero_();
        output.Parameters[0].MakeTrainable();
        ChunkedCrossEntropy.Apply(hidden, labels, output, ForwardContext.Inference).sum().backward();
        TensorAssert.Close(gradient, hidden.grad!, 1e-5, 1e-4, "gradient over a trained matrix");
        Assert.IsGreaterThan(0f, output.Parameters[0].Value.grad!.abs().sum().item<float>());
    }

    private static Tensor Losses(DecoderModel model, int[] ids)
    {
        Tensor logits = Logits(model, ids);
        return nn.functional.cross_entropy(logits.narrow(0, 0, ids.Length - 1), Ids(ids[1..]), reduction: nn.Reduction.None);
    }

    private static Tensor Logits(DecoderModel model, int[] ids)
    {
        using var noGrad = no_grad();
        var batch = new Batch { Ids = Ids(ids).unsqueeze(0), Examples = [] };
        Tensor hidden = model.Forward(batch, PositionSelection.All, ForwardContext.Inference);
        return model.CreateLanguageModelHead().Forward(hidden, batch, ForwardContext.Inference)[0];
    }

    private static Tensor Ids(int[] ids) => tensor(ids.Select(id => (long)id).ToArray());

    private static DecoderModel Load(TinyDecoder folder) =>
        (DecoderModel)ModelRegistry.Create(HfConfig.Load(folder.Folder), SharedCheckpoint.Acquire(folder.Folder, CPU), CPU, seed: 1);
}
