using Microsoft.Extensions.AI;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Estimators;

/// <summary>A path that leads nowhere is said where it is given: to the estimator, not to its fit.</summary>
[TestClass]
public sealed class ModelPathTests
{
    private static readonly MLContext s_ml = TestDevice.NewContext(seed: 1);

    private static readonly Dictionary<string, Action<string>> Doors = new()
    {
        ["Lora"] = path => s_ml.Peft().Lora(path, PeftTask.TextClassification()),
        ["LoraOptions"] = path => s_ml.Peft().Lora(new LoraFineTune.Options { BaseModel = path, Task = PeftTask.TextClassification() }),
        ["FullFineTune"] = path => s_ml.Peft().FullFineTune(path, PeftTask.TextClassification()),
        ["LinearProbe"] = path => s_ml.Peft().LinearProbe(path, PeftTask.TextClassification()),
        ["Embed"] = path => s_ml.Peft().Embed(path),
        ["Generate"] = path => s_ml.Peft().Generate(path),
        ["Nf4Quantize"] = path => s_ml.Peft().Nf4Quantize(path),
        ["Trainers"] = path => s_ml.MulticlassClassification.Trainers.LoraTextClassification(path),
        ["PeftChatClient"] = path => new PeftChatClient(path).Dispose(),
        ["PeftEmbeddingGenerator"] = path => new PeftEmbeddingGenerator(path).Dispose(),
    };

    public static IEnumerable<object[]> Names => Doors.Keys.Select(door => new object[] { door });

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void AModelThatIsNotThereIsNamed(string door)
    {
        string message = Assert.ThrowsExactly<DirectoryNotFoundException>(() => Doors[door]("owner/no-such-model")).Message;
        StringAssert.Contains(message, "'owner/no-such-model'");
        StringAssert.Contains(message, Directory.GetCurrentDirectory());
        StringAssert.Contains(message, "Hugging Face hub");
        message = Assert.ThrowsExactly<DirectoryNotFoundException>(() => Doors[door](Path.Combine(Path.GetTempPath(), "no-such-model"))).Message;
        Assert.DoesNotContain("current directory", message);
        Assert.DoesNotContain("hub", message);
    }

    [TestMethod]
    public void AnAdapterThatIsNotThereIsNamed()
    {
        using var decoder = new TinyDecoder();
        Action[] doors =
        [
            () => s_ml.Peft().Lora(new LoraFineTune.Options { BaseModel = decoder.Folder, Task = PeftTask.TextGeneration(), AdapterFolder = "no/adapter" }),
            () => s_ml.Peft().Generate(new TextCompleter.Options { BaseModel = decoder.Folder, AdapterFolder = "no/adapter" }),
            () => new PeftChatClient(decoder.Folder, new PeftChatClientOptions { AdapterFolder = "no/adapter" }).Dispose(),
        ];
        foreach (Action door in doors)
            StringAssert.Contains(Assert.ThrowsExactly<DirectoryNotFoundException>(door).Message, "'no/adapter'");
    }

    [TestMethod]
    public async Task ATextThatIsNullIsNamedByItsIndex()
    {
        using var decoder = new TinyDecoder();
        using var generator = new PeftEmbeddingGenerator(decoder.Folder);
        StringAssert.Contains(
            (await Assert.ThrowsExactlyAsync<ArgumentException>(() => generator.GenerateAsync(["a", "b", null!, "c"]))).Message, "Text 2 of 4 is null");
        using var client = new PeftChatClient(decoder.Folder);
        ChatMessage[] messages = [new(ChatRole.User, "a"), null!];
        StringAssert.Contains((await Assert.ThrowsExactlyAsync<ArgumentException>(() => client.GetResponseAsync(messages))).Message, "Message 1 is null");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => TextMetrics.Bleu(["a", null!], [["a"], ["b"]])).Message, "Text 1 is null");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => TextMetrics.Squad(["a", "b"], [["a"], ["b", null!]])).Message, "text 1");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => TextMetrics.Entities([["O"]], [[null!]])).Message, "Sentence 0");
    }
}
