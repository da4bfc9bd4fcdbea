using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tuners.Prompt;

/// <summary>Where virtual tokens start: at random, from sampled tokens, from a text's, from class names'.</summary>
[TestClass]
public sealed class PromptStartTests
{
    private static readonly TinyBert s_bert = new();
    private static readonly TextTokenizer s_tokenizer = TextTokenizer.Load(s_bert.Folder);

    [ClassCleanup]
    public static void Delete() => s_bert.Dispose();

    [TestMethod]
    public void ATextIsRepeatedAndCutWithItsMarks()
    {
        int[] ids = s_tokenizer.Encode("good film").Ids;
        Assert.HasCount(4, ids);
        Check(new PromptOptions { VirtualTokens = 6, Start = VirtualTokenStart.Text, StartText = "good film" }, (table, words) =>
            TensorAssert.Close(words.index_select(0, Index([.. ids, .. ids[..2]])), table, 0, 0, "repeated"));
        Check(new PromptOptions { VirtualTokens = 3, Start = VirtualTokenStart.Text, StartText = "good film" }, (table, words) =>
            TensorAssert.Close(words.index_select(0, Index(ids[..3])), table, 0, 0, "cut"));
    }

    [TestMethod]
    public void ClassNamesAreMeansOfTheirTokensAndWhatIsLeftIsSampled()
    {
        Check(new PromptOptions { VirtualTokens = 5, Start = VirtualTokenStart.ClassLabels }, (table, words) =>
        {
            TensorAssert.Close(words[Id("good")], table[0], 1e-7, 1e-6, "one token");
            TensorAssert.Close((words[Id("very")] + words[Id("bad")]) / 2, table[1], 1e-7, 1e-6, "two tokens");
            CheckSampled(table.narrow(0, 2, 3), words);
        }, "good", "very bad");
    }

    [TestMethod]
    public void SampledTokensAreRowsOfTheTableBySeed()
    {
        var options = new PromptOptions { VirtualTokens = 7, Start = VirtualTokenStart.SampledVocabulary };
        Check(options, CheckSampled);
        using var scope = NewDisposeScope();
        TensorAssert.Close(Table(options, seed: 3), Table(options, seed: 3), 0, 0, "one seed");
        Assert.IsFalse(Table(options, seed: 3).equal(Table(options, seed: 4)).all().item<bool>());
    }

    /// <summary>The network stands beside the tokens' vectors, and makes nothing yet.</summary>
    [TestMethod]
    [DataRow(PTuningEncoder.Mlp), DataRow(PTuningEncoder.Lstm)]
    public void PTuningStartsAtRealTokensToo(PTuningEncoder encoder)
    {
        int[] ids = s_tokenizer.Encode("good film").Ids;
        var options = new PTuningOptions { VirtualTokens = 6, Encoder = encoder, EncoderHiddenSize = 8, Start = VirtualTokenStart.Text, StartText = "good film" };
        Check(options, (table, words) => TensorAssert.Close(words.index_select(0, Index([.. ids, .. ids[..2]])), table, 0, 0, "the text's"));
        Check(new PTuningOptions { VirtualTokens = 6, Encoder = encoder, Start = VirtualTokenStart.SampledVocabulary }, CheckSampled);
    }

    [TestMethod]
    public void RandomIsNormal()
    {
        using var scope = NewDisposeScope();
        Tensor table = Table(new PromptOptions { VirtualTokens = 400, Start = VirtualTokenStart.Random }, seed: 1);
        Assert.AreEqual(0, table.mean().item<float>(), 0.05);
        Assert.AreEqual(1, table.std().item<float>(), 0.05);
    }

    [TestMethod]
    public void AStartThatCannotBeIsRefused()
    {
        Refused<ArgumentException>("StartText", () => new PromptOptions { Start = VirtualTokenStart.Text }.Create());
        Refused<ArgumentException>("StartText", () => new PromptOptions { Start = VirtualTokenStart.Random, StartText = "good" }.Create());
        Refused<ArgumentException>("VirtualTokens", () => new PromptOptions { VirtualTokens = 0 }.Create());
        Refused<ArgumentException>("'***'", () => WithTokens(new PromptOptions { Start = VirtualTokenStart.ClassLabels }, "good", "***"));
        Refused<ArgumentException>("none", () => WithTokens(new PromptOptions { Start = VirtualTokenStart.ClassLabels }));
        Refused<ArgumentException>("3", () => WithTokens(new PromptOptions { VirtualTokens = 2, Start = VirtualTokenStart.ClassLabels }, "a", "good", "bad"));
    }

    [TestMethod]
    public void TheTokensGoIntoAnArchiveWithTheSettings()
    {
        TunerOptions known = WithTokens(new PromptOptions { VirtualTokens = 2, Start = VirtualTokenStart.Text, StartText = "good film" });
        var read = (PromptOptions)TunerRegistry.FromJson("prompt", known.ToJson());
        CollectionAssert.AreEqual(new[] { s_tokenizer.ClsId!.Value, Id("good") }, read.StartTokens.SelectMany(ids => ids).ToArray());
    }

    private static void Check(InputVectorOptions options, Action<Tensor, Tensor> check, params string[] labels)
    {
        using var scope = NewDisposeScope();
        using PretrainedModel model = Open();
        check(Table(options, 1, labels), model.Sites.Tokens!.Table.Value);
    }

    private static Tensor Table(InputVectorOptions options, long seed, params string[] labels)
    {
        using PretrainedModel model = Open();
        using ITuner tuner = WithTokens(options, labels).Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, []), seed);
        return tuner.Export().Single().Value.detach().clone();
    }

    private static TunerOptions WithTokens(InputVectorOptions options, params string[] labels) => ((IStartsFromTexts)options).WithTokens(new StartWords(
        text => s_tokenizer.Encode(text).Ids, text => text == "***" ? [] : s_tokenizer.Encode(text, addSpecialTokens: false).Ids, labels));

    private static PretrainedModel Open() => Peft.Estimators.BaseModels.Open(s_bert.Folder, CPU, seed: 1);

    private static void CheckSampled(Tensor table, Tensor words)
    {
        for (long i = 0; i < table.size(0); i++)
            Assert.IsTrue(words.eq(table[i]).all(dim: 1).any().item<bool>(), $"row {i} is no token's");
    }

    private static int Id(string token) => s_tokenizer.IdOf(token)!.Value;

    private static Tensor Index(int[] ids) => tensor(Array.ConvertAll(ids, id => (long)id), ScalarType.Int64, CPU);

    private static void Refused<T>(string named, Action act)
        where T : Exception => Assert.Contains(named, Assert.Throws<T>(act).Message);
}
