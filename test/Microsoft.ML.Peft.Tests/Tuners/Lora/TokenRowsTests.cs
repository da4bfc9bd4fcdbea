using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tuners.Lora;

/// <summary>Rows of tables that train by themselves, and rows behind a table's end.</summary>
[TestClass]
public sealed class TokenRowsTests
{
    private const int New = TinyDecoder.Vocabulary;

    [TestMethod]
    [DataRow(true, new[] { "model.embed_tokens" })]
    [DataRow(false, new[] { "model.embed_tokens", "lm_head" })]
    public void NewTokensGrowTheTables(bool tied, string[] paths)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var decoder = new TunedDecoder(new LoraOptions { NewTokenIds = [New, New + 1] }, tied: tied);
        CollectionAssert.AreEqual(paths, decoder.Tuner.Parts.OfType<TokenRows>().Select(r => r.Path).ToArray());
        Assert.AreEqual(New + 2, decoder.Logits(1, New + 1, New).shape[^1]);
        TensorAssert.Close(decoder.Table.Value.mean([0]), decoder.Tuner.Trainable.First(p => p.Name.Contains("tokens_delta")).Value[1], 1e-7, 0, "a new row");
        decoder.Tuner.TryMerge();
        Assert.AreEqual(New + 2, decoder.Table.Value.shape[0]);
        decoder.Tuner.Unmerge();
        Assert.AreEqual(New, decoder.Table.Value.shape[0]);
    }

    [TestMethod]
    public void OnlyTheNamedRowsTrain()
    {
        using var scope = NewDisposeScope();
        using var decoder = new TunedDecoder(new LoraOptions { TrainableTokens = [4, 2] });
        Tensor rows = decoder.Tuner.Trainable.Single(p => p.Name == "model.embed_tokens.token_adapter.trainable_tokens_delta").Value;
        TensorAssert.Close(decoder.Table.Value.index_select(0, tensor(new long[] { 4, 2 })), rows, 0, 0, "rows at the start");
        decoder.Logits(2, 5, 9).square().sum().backward();
        Assert.IsGreaterThan(0, rows.grad!.abs().sum().item<float>());
        Assert.IsFalse(decoder.Table.Value.requires_grad);
    }

    [TestMethod]
    public void ATiedHeadWithRowsOfItsOwnIsNotTied()
    {
        using var decoder = new TunedDecoder(new LoraOptions
        {
            TrainableTokensByModule = new Dictionary<string, IReadOnlyList<int>> { ["embed_tokens"] = [1], ["lm_head"] = [2, 3] },
        });
        CollectionAssert.AreEqual(new[] { "model.embed_tokens", "lm_head" }, decoder.Tuner.Parts.OfType<TokenRows>().Select(r => r.Path).ToArray());
    }

    [TestMethod]
    [DataRow(new[] { New + 1 }, "follow one another")]
    [DataRow(new[] { 3, 3 }, "different")]
    [DataRow(new[] { -1 }, "0 or more")]
    public void IdsThatCannotBeAreRefused(int[] ids, string named) => Assert.Contains(
        named, Assert.ThrowsExactly<ArgumentException>(() => new TunedDecoder(new LoraOptions { TrainableTokens = ids })).Message);

    [TestMethod]
    public void ATableTrainsInOneWay()
    {
        var options = new LoraOptions { TargetModules = ["q_proj", "embed_tokens"], TrainableTokens = [1] };
        Assert.Contains("embed_tokens", Assert.ThrowsExactly<ArgumentException>(() => new TunedDecoder(options)).Message);
        options = new LoraOptions { ModulesToSave = ["embed_tokens"], TrainableTokens = [1] };
        Assert.Contains("embed_tokens", Assert.ThrowsExactly<ArgumentException>(() => new TunedDecoder(options)).Message);
        options = new LoraOptions { TrainableTokensByModule = new Dictionary<string, IReadOnlyList<int>> { ["embed_token"] = [1] } };
        Assert.Contains("embed_tokens", Assert.ThrowsExactly<ArgumentException>(() => new TunedDecoder(options)).Message);
    }
}
