using Microsoft.Extensions.AI;
using Microsoft.ML.Peft.Tests.Estimators.Adapters;
using static Microsoft.ML.Peft.Tests.Chat.ChatFixture;

namespace Microsoft.ML.Peft.Tests.Chat;

/// <summary>A client over a transformer whose adapters come, go and are merged: it answers as the transformer's scorer does.</summary>
[TestClass]
public sealed class ChatLeaseTests
{
    private const int Tokens = 12, Long = 300;

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);

    private readonly AdapterFixture _it = new(change: config => config["max_position_embeddings"] = 1024);

    private PeftAdapters Adapters => _it.Transformer.Adapters;

    [TestCleanup]
    public void Clean() => _it.Dispose();

    [TestMethod]
    public async Task TheActiveAdapterAnswersAndOthersByName()
    {
        string[] folders = [_it.Train("a", "first"), _it.Train("b", "second text")];
        string[] alone = [await AnswerOf(folders[0]), await AnswerOf(folders[1])];
        Assert.AreNotEqual(alone[0], alone[1]);
        using PeftChatClient client = _it.Transformer.AsChatClient();
        string trained = await Answer(client);
        PeftAdapter a = Adapters.Load("a", folders[0]);
        Assert.AreEqual(trained, await Answer(client), "it is not active yet");
        Assert.AreEqual(alone[0], await Answer(client, With("a")));
        CollectionAssert.AreEquivalent(new[] { "a", "default" }, client.Adapters.ToArray());

        Adapters.Activate(a);
        Assert.AreEqual(alone[0], await Answer(client));
        Assert.AreEqual(trained, await Answer(client, With("default")));
        a = Adapters.Replace(a, folders[1]);
        Assert.AreEqual(alone[1], await Answer(client), "the new one of its name");
        Adapters.Remove(a);
        Assert.AreEqual(await Answer(client, With(null)), await Answer(client), "the bare base is active");
        StringAssert.Contains((await Assert.ThrowsExactlyAsync<ArgumentException>(() => Answer(client, With("a")))).Message, "'a'");
    }

    [TestMethod]
    public async Task WhileAnAdapterIsMergedNoOtherAnswers()
    {
        string folder = _it.Train("a", "first");
        using PeftChatClient client = _it.Transformer.AsChatClient();
        string trained = await Answer(client);
        PeftAdapter a = Adapters.Load("a", folder);
        string expected = await Answer(client, With("a"));
        Adapters.Merge(a);
        Assert.AreEqual(expected, await Answer(client), "what is merged is active");
        Assert.AreEqual(expected, await Answer(client, With("a")));
        foreach (string? other in new[] { "default", null })
            StringAssert.Contains((await Assert.ThrowsExactlyAsync<InvalidOperationException>(() => Answer(client, With(other)))).Message, "'a'");
        Adapters.Unmerge();
        Assert.AreEqual(trained, await Answer(client, With("default")));
    }

    [TestMethod]
    public async Task AGreedyQuestionHasOneAnswerWhileAnAdapterIsMergedAndUnmerged()
    {
        using PeftChatClient client = _it.Transformer.AsChatClient();
        string expected = await Answer(client);
        using var stop = new CancellationTokenSource();
        Task<int> merges = Task.Run(() =>
        {
            int times = 0;
            for (; !stop.IsCancellationRequested; times++)
            {
                Adapters.Merge(Adapters["default"]);
                Adapters.Unmerge();
            }
            return times;
        });
        Task scores = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
                _it.Scores();
        });
        // No call waits for ever for merges in a row, nor a merge for calls.
        Task<string[][]> asking = Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            var answers = new string[10];
            for (int i = 0; i < answers.Length; i++)
                answers[i] = await Answer(client);
            return answers;
        })));
        string[][] found = await asking.WaitAsync(s_limit);
        await stop.CancelAsync();
        Assert.IsGreaterThan(0, await merges.WaitAsync(s_limit));
        await scores.WaitAsync(s_limit);
        CollectionAssert.AreEqual(new[] { expected }, found.SelectMany(answers => answers).Distinct().ToArray());
    }

    [TestMethod]
    public async Task AMergeWaitsForAnswersThatAreWrittenAndNotForTheQueue()
    {
        using PeftChatClient client = _it.Transformer.AsChatClient(new PeftChatClientOptions { MaxConcurrentRequests = 1 });
        await using IAsyncEnumerator<ChatResponseUpdate> running = client.GetStreamingResponseAsync(Ask("Hi"), Endless(Long)).GetAsyncEnumerator();
        Assert.IsTrue(await running.MoveNextAsync());
        Task<ChatResponse>[] queue = [.. Enumerable.Range(0, 20).Select(i => client.GetResponseAsync(Ask($"{i}"), Endless(Long)))];
        await Task.Run(() => Adapters.Merge(Adapters["default"])).WaitAsync(s_limit);
        int waiting = queue.Count(answer => !answer.IsCompleted);
        Assert.IsGreaterThan(10, waiting, "the merge came before them");
        int pieces = 1;
        while (await running.MoveNextAsync())
            pieces++;
        Assert.IsGreaterThan(10, pieces, "it was written to its end");
        foreach (Task<ChatResponse> answer in queue)
            Assert.AreEqual(Long, (await answer.WaitAsync(s_limit)).Usage!.OutputTokenCount);
    }

    [TestMethod]
    public async Task AnAnswerEndsUnderTheAdapterItBeganWith()
    {
        string[] folders = [_it.Train("a", "first"), _it.Train("b", "second text")];
        using PeftChatClient client = _it.Transformer.AsChatClient();
        PeftAdapter moving = Adapters.Load("moving", folders[0]);
        string before = await Answer(client, With("moving", Long));
        string text = "";
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(Ask("Hi"), With("moving", Long)))
        {
            if (text.Length == 0)
                moving = Adapters.Replace(moving, folders[1]);
            text += update.Text;
        }
        Assert.AreEqual(before, text);
        Assert.AreNotEqual(before, await Answer(client, With("moving", Long)));
    }

    [TestMethod]
    public async Task ADisposedTransformerAnswersWhatBeganAndNothingElse()
    {
        PeftTransformer transformer = _it.Fit(AdapterFixture.Options(), "more");
        using PeftChatClient client = transformer.AsChatClient();
        await using IAsyncEnumerator<ChatResponseUpdate> running = client.GetStreamingResponseAsync(Ask("Hi"), Endless(Long)).GetAsyncEnumerator();
        Assert.IsTrue(await running.MoveNextAsync());
        transformer.Dispose();
        transformer.Dispose();
        await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => Answer(client));
        int pieces = 1;
        while (await running.MoveNextAsync())
            pieces++;
        Assert.IsGreaterThan(10, pieces, "it was written to its end");
    }

    private async Task<string> AnswerOf(string adapter)
    {
        using var client = new PeftChatClient(_it.Base, new PeftChatClientOptions { AdapterFolder = adapter });
        return await Answer(client);
    }

    private static async Task<string> Answer(PeftChatClient client, ChatOptions? options = null) =>
        (await client.GetResponseAsync(Ask("Hi"), options ?? Endless(Tokens))).Text;

    private static ChatOptions With(string? adapter, int tokens = Tokens)
    {
        ChatOptions options = Endless(tokens);
        options.AdditionalProperties = new() { ["adapter"] = adapter };
        return options;
    }

    // As long as it says: no token ends an answer.
    private static ChatOptions Endless(int tokens) => new()
    {
        Temperature = 0,
        MaxOutputTokens = tokens,
        RawRepresentationFactory = _ => new GenerationOptions { EosTokenIds = [] },
    };
}
