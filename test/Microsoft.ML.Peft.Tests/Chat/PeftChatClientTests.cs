using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.Peft.TestSupport;
using static Microsoft.ML.Peft.Tests.Chat.ChatFixture;

namespace Microsoft.ML.Peft.Tests.Chat;

[TestClass]
public sealed class PeftChatClientTests
{
    private static readonly string[] s_texts = ["Hi", "What is the capital of France?", "a", "Tell me a long story, please.", "1 + 1 =", "?!"];

    [TestMethod]
    [DataRow("llama")]
    [DataRow("gpt2")]
    public async Task RequestsAtOnceAreAnsweredAsAlone(string modelType)
    {
        using var fixture = new ChatFixture(modelType: modelType);
        int[] lengths = [.. s_texts.Select((_, i) => 3 + (7 * i))];
        ChatResponse[] found = await Task.WhenAll(s_texts.Select((text, i) => fixture.Client.GetResponseAsync(Ask(text), Greedy(lengths[i]))));
        for (int i = 0; i < s_texts.Length; i++)
            Assert.AreEqual(fixture.Alone(s_texts[i], new GenerationOptions { MaxNewTokens = lengths[i] }), found[i].Text, s_texts[i]);
    }

    [TestMethod]
    public async Task ASeedIsARequestsOwn()
    {
        using var fixture = new ChatFixture();
        ChatOptions Options(int i) => new() { Temperature = 0.8f, TopP = 0.95f, TopK = 40, Seed = i % 2, MaxOutputTokens = 20 };
        ChatResponse[] found = await Task.WhenAll(s_texts.Select((text, i) => fixture.Client.GetResponseAsync(Ask(text), Options(i))));
        for (int i = 0; i < s_texts.Length; i++)
        {
            var alone = new GenerationOptions { DoSample = true, Temperature = 0.8f, TopP = 0.95f, TopK = 40, Seed = i % 2, MaxNewTokens = 20 };
            Assert.AreEqual(fixture.Alone(s_texts[i], alone), found[i].Text, s_texts[i]);
        }
    }

    [TestMethod]
    public async Task AnAnswerSaysWhatItTookAndWhyItEnded()
    {
        using var fixture = new ChatFixture(options => options.ModelId = "tiny");
        ChatResponse found = await fixture.Client.GetResponseAsync(Ask("Hi"), Greedy(5));
        // <s>user: Hi</s><s>assistant: , every byte a token.
        Assert.AreEqual(1 + "user: Hi".Length + 2 + "assistant: ".Length, found.Usage!.InputTokenCount);
        Assert.AreEqual(5, found.Usage.OutputTokenCount);
        Assert.AreEqual(found.Usage.InputTokenCount + 5, found.Usage.TotalTokenCount);
        Assert.AreEqual(ChatFinishReason.Length, found.FinishReason);
        Assert.AreEqual("tiny", found.ModelId);
        Assert.AreEqual(ChatRole.Assistant, found.Messages.Single().Role);
        Assert.IsFalse(string.IsNullOrEmpty(found.ResponseId));
        Assert.AreEqual("tiny", fixture.Client.GetService<ChatClientMetadata>()!.DefaultModelId);
        Assert.AreSame(fixture.Client, fixture.Client.GetService<IChatClient>());
    }

    [TestMethod]
    public async Task AStopStringEndsAnAnswerBeforeIt()
    {
        using var fixture = new ChatFixture();
        string text = fixture.Alone("Hello", new GenerationOptions { MaxNewTokens = 30 });
        string stop = text[2..4];
        ChatResponse found = await fixture.Client.GetResponseAsync(Ask("Hello"), new ChatOptions { Temperature = 0, MaxOutputTokens = 30, StopSequences = [stop] });
        Assert.AreEqual(text[..text.IndexOf(stop, StringComparison.Ordinal)], found.Text);
        Assert.AreEqual(ChatFinishReason.Stop, found.FinishReason);
    }

    [TestMethod]
    public async Task AnAnswerMayFillTheModelsPositions()
    {
        using var fixture = new ChatFixture(ends: false);
        ChatResponse found = await fixture.Client.GetResponseAsync(Ask("Hi"));
        Assert.AreEqual(128, found.Usage!.TotalTokenCount);
        Assert.AreEqual(ChatFinishReason.Length, found.FinishReason);
    }

    [TestMethod]
    public async Task PiecesAreTheAnswer()
    {
        using var fixture = new ChatFixture();
        var updates = new List<ChatResponseUpdate>();
        await foreach (ChatResponseUpdate update in fixture.Client.GetStreamingResponseAsync(Ask("Hello"), Greedy(20)))
            updates.Add(update);
        Assert.AreEqual(fixture.Alone("Hello", new GenerationOptions { MaxNewTokens = 20 }), string.Concat(updates.Select(update => update.Text)));
        Assert.IsGreaterThan(3, updates.Count);
        Assert.HasCount(1, updates.Select(update => update.ResponseId).Distinct().ToArray());
        Assert.HasCount(1, updates.Where(update => update.FinishReason is not null).ToArray());
    }

    [TestMethod]
    public async Task TheFoldersGenerationConfigCountsWhereARequestSaysNothing()
    {
        using var fixture = new ChatFixture();
        File.WriteAllText(Path.Combine(fixture.Folder.Folder, "generation_config.json"), """{"max_new_tokens": 4, "num_beams": 3}""");
        using var client = new PeftChatClient(fixture.Folder.Folder);
        Assert.AreEqual(4, (await client.GetResponseAsync(Ask("Hi"), new ChatOptions { Temperature = 0 })).Usage!.OutputTokenCount);
        Assert.AreEqual(2, (await client.GetResponseAsync(Ask("Hi"), Greedy(2))).Usage!.OutputTokenCount);
    }

    [TestMethod]
    public async Task ATransformersModelAnswersUnderWhatItLearnt()
    {
        using var folder = new TinyDecoder();
        var ml = TestDevice.NewContext(seed: 1);
        IDataView data = ml.Data.LoadFromEnumerable(Enumerable.Repeat(new Line { Text = "yes yes yes yes" }, 8));
        using PeftTransformer transformer = ml.Peft()
            .Lora(folder.Folder, PeftTask.CausalLanguageModelling(), maxEpochs: 8, batchSize: 4, learningRate: 1e-2).Fit(data);
        string adapter = Path.Combine(folder.Folder, "adapter");
        transformer.SaveAdapter(adapter);

        PeftChatClient client = transformer.AsChatClient();
        string learnt = (await client.GetResponseAsync(Ask("Hi"), Greedy(12))).Text;
        string bare = (await client.GetResponseAsync(Ask("Hi"), With(null))).Text;
        Assert.AreNotEqual(bare, learnt, "the adapter changes the answer");

        // The same adapter by name, beside the bare base, in one client and at once.
        using (var named = new PeftChatClient(folder.Folder, new PeftChatClientOptions { Adapters = { ["yes"] = adapter } }))
        {
            ChatResponse[] both = await Task.WhenAll(named.GetResponseAsync(Ask("Hi"), With("yes")), named.GetResponseAsync(Ask("Hi"), Greedy(12)));
            Assert.AreEqual(learnt, both[0].Text);
            Assert.AreEqual(bare, both[1].Text);
            var unknown = await Assert.ThrowsExactlyAsync<ArgumentException>(() => named.GetResponseAsync(Ask("Hi"), With("no")));
            StringAssert.Contains(unknown.Message, "'no'");
            StringAssert.Contains(unknown.Message, "'yes'");
        }
        using (var usual = new PeftChatClient(folder.Folder, new PeftChatClientOptions { AdapterFolder = adapter }))
            Assert.AreEqual(learnt, (await usual.GetResponseAsync(Ask("Hi"), Greedy(12))).Text);

        transformer.Dispose();
        await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => client.GetResponseAsync(Ask("Hi"), Greedy(1)));
        client.Dispose();
    }

    [TestMethod]
    public void AModelThatDoesNotWriteIsRefused()
    {
        using var bert = new TinyBert();
        Assert.ThrowsExactly<NotSupportedException>(() => new PeftChatClient(bert.Folder));
        using PeftTransformer embedder = TestDevice.NewContext().Peft().Embed(bert.Folder).Fit(Review.Load(TestDevice.NewContext()));
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => embedder.AsChatClient()).Message, "text-embedding");
    }

    [TestMethod]
    public async Task OneCallRegistersIt()
    {
        using var folder = new TinyDecoder();
        using ServiceProvider services = new ServiceCollection().AddPeftChatClient(folder.Folder, options => options.ModelId = "tiny").BuildServiceProvider();
        var client = services.GetRequiredService<IChatClient>();
        Assert.AreSame(client, services.GetRequiredService<IChatClient>());
        Assert.AreEqual("tiny", (await client.GetResponseAsync(Ask("Hi"), Greedy(1))).ModelId);
    }

    private static ChatOptions With(string? adapter) =>
        new() { Temperature = 0, MaxOutputTokens = 12, AdditionalProperties = new() { ["adapter"] = adapter } };

    private sealed class Line
    {
        public string Text { get; set; } = "";
    }
}
