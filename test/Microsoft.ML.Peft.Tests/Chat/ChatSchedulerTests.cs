using Microsoft.Extensions.AI;
using Microsoft.ML.Peft.TestSupport;
using static Microsoft.ML.Peft.Tests.Chat.ChatFixture;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Chat;

/// <summary>Requests that come, go and wait.</summary>
[TestClass]
public sealed class ChatSchedulerTests
{
    // Answers long enough to be interrupted: no token ends them.
    private static ChatFixture Endless(Action<PeftChatClientOptions>? configure = null, int positions = 4096) =>
        new(configure, change: config => config["max_position_embeddings"] = positions, ends: false);

    [TestMethod]
    public async Task RequestsAreAnsweredTogetherAsFarAsThereArePlaces()
    {
        using ChatFixture fixture = Endless(options => options.MaxConcurrentRequests = 3);
        using var stop = new CancellationTokenSource();
        var answers = Enumerable.Range(0, 3).Select(i => fixture.Client.GetStreamingResponseAsync(Ask($"{i}"), null, stop.Token).GetAsyncEnumerator()).ToArray();
        foreach (var answer in answers)
            Assert.IsTrue(await answer.MoveNextAsync());
        Task<ChatResponse> fourth = fixture.Client.GetResponseAsync(Ask("4"), Greedy(2));
        Assert.AreEqual(3, fixture.Client.Scheduler.Active);
        Assert.IsFalse(fourth.IsCompleted);
        await answers[1].DisposeAsync();
        Assert.AreEqual(2, (await fourth).Usage!.OutputTokenCount, "the place of one that left");
        await stop.CancelAsync();
        await fixture.Settle();
    }

    [TestMethod]
    public async Task AReaderThatGoesAwayLeavesNothing()
    {
        using ChatFixture fixture = Endless();
        await fixture.Client.GetResponseAsync(Ask("warm"), Greedy(2));
        await fixture.Settle();
        long before = LiveTensors.Settled();
        for (int i = 0; i < 5; i++)
        {
            await foreach (ChatResponseUpdate _ in fixture.Client.GetStreamingResponseAsync(Ask("Hi"), new ChatOptions { Temperature = 0 }))
                break;
        }
        await fixture.Settle();
        Assert.AreEqual(before, Tensor.TotalCount, "live tensors");
    }

    [TestMethod]
    public async Task ACancelledRequestLeavesAndTheOthersGoOn()
    {
        using ChatFixture fixture = Endless();
        string expected = fixture.Alone("stay", new GenerationOptions { MaxNewTokens = 60 });
        using var stop = new CancellationTokenSource();
        Task<ChatResponse> staying = fixture.Client.GetResponseAsync(Ask("stay"), Greedy(60));
        int read = 0;
        await Assert.ThrowsAsync<OperationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate _ in fixture.Client.GetStreamingResponseAsync(Ask("a longer prompt that leaves"), new ChatOptions { Temperature = 0 }, stop.Token))
            {
                if (++read == 5)
                    await stop.CancelAsync();
            }
        });
        Assert.AreEqual(expected, (await staying).Text);
        await fixture.Settle();
    }

    [TestMethod]
    public async Task AStopStringThatNeverComesEndsWithThePositions()
    {
        using ChatFixture fixture = Endless(positions: 128);
        ChatResponse found = await fixture.Client.GetResponseAsync(Ask("Hi"), new ChatOptions { Temperature = 0, StopSequences = ["\u2603 never"] });
        Assert.AreEqual(ChatFinishReason.Length, found.FinishReason);
        Assert.AreEqual(128, found.Usage!.TotalTokenCount);
    }

    [TestMethod]
    public async Task OneMoreThanTheQueueHoldsIsRefused()
    {
        using ChatFixture fixture = Endless(options => (options.MaxConcurrentRequests, options.MaxQueuedRequests) = (1, 1));
        using var stop = new CancellationTokenSource();
        await using var first = fixture.Client.GetStreamingResponseAsync(Ask("1"), null, stop.Token).GetAsyncEnumerator();
        await first.MoveNextAsync();
        Task<ChatResponse> second = fixture.Client.GetResponseAsync(Ask("2"), Greedy(3));
        var full = await Assert.ThrowsExactlyAsync<QueueFullException>(() => fixture.Client.GetResponseAsync(Ask("3"), Greedy(3)));
        StringAssert.Contains(full.Message, nameof(PeftChatClientOptions.MaxQueuedRequests));
        Assert.IsFalse(second.IsCompleted, "it waits for a place");
        await stop.CancelAsync();
        Assert.AreEqual(fixture.Alone("2", new GenerationOptions { MaxNewTokens = 3 }), (await second).Text);
        await fixture.Settle();
    }

    [TestMethod]
    public async Task AWaitingRequestCanBeCancelled()
    {
        using ChatFixture fixture = Endless(options => (options.MaxConcurrentRequests, options.MaxQueuedRequests) = (1, 1));
        await using var first = fixture.Client.GetStreamingResponseAsync(Ask("1")).GetAsyncEnumerator();
        await first.MoveNextAsync();
        using var stop = new CancellationTokenSource(50);
        await Assert.ThrowsAsync<OperationCanceledException>(() => fixture.Client.GetResponseAsync(Ask("2"), Greedy(3), stop.Token));
    }

    [TestMethod]
    public async Task DisposalEndsRequestsAndFreesAll()
    {
        long before = LiveTensors.Settled();
        ChatFixture fixture = Endless(options => options.MaxConcurrentRequests = 1);
        await using var running = fixture.Client.GetStreamingResponseAsync(Ask("1")).GetAsyncEnumerator();
        await running.MoveNextAsync();
        Task<ChatResponse> waiting = fixture.Client.GetResponseAsync(Ask("2"));
        fixture.Dispose();
        await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => waiting);
        await Assert.ThrowsExactlyAsync<ObjectDisposedException>(async () =>
        {
            while (await running.MoveNextAsync())
            {
            }
        });
        await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => fixture.Client.GetResponseAsync(Ask("3")));
        Assert.AreEqual(before, Tensor.TotalCount, "live tensors");
    }
}
