using System.ClientModel;
using System.ClientModel.Primitives;
using ChatServer;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;
using OpenAI;

namespace Samples.Tests;

/// <summary>OpenAI's own .NET library, which knows nothing of us, against the sample on a free port.</summary>
[TestClass]
public sealed class OpenAIClientTests : IDisposable
{
    private const string ModelId = "tiny";
    private const int Places = 4;

    private static readonly ChatMessage[] s_messages = [new(ChatRole.System, "Be brief."), new(ChatRole.User, "Hello")];
    private static readonly ChatOptions s_greedy = new() { Temperature = 0, MaxOutputTokens = 12 };

    // An answer that nothing limits takes minutes.
    private readonly TinyDecoder _folder = new(change: config =>
    {
        config["max_position_embeddings"] = 20_000;
        config.Remove("eos_token_id");
    });
    private readonly WebApplication _app;
    private readonly Uri _address;

    public OpenAIClientTests()
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder(["--urls", "http://127.0.0.1:0"]);
        builder.Logging.ClearProviders();
        builder.Services.AddPeftChatClient(_folder.Folder, options => (options.ModelId, options.MaxConcurrentRequests, options.MaxQueuedRequests) = (ModelId, Places, 0));
        _app = builder.Build();
        _app.MapChatApi();
        _app.StartAsync().GetAwaiter().GetResult();
        _address = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
    }

    private PeftChatClient Ours => (PeftChatClient)_app.Services.GetRequiredService<IChatClient>();

    public void Dispose()
    {
        _app.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _folder.Dispose();
    }

    [TestMethod]
    public async Task AnAnswerIsOurs()
    {
        using IChatClient client = Connect();
        ChatResponse expected = await Ours.GetResponseAsync(s_messages, s_greedy);
        ChatResponse found = await client.GetResponseAsync(s_messages, s_greedy);
        Assert.AreEqual(expected.Text, found.Text);
        Assert.AreEqual(expected.FinishReason, found.FinishReason);
        Assert.AreEqual(expected.Usage!.InputTokenCount, found.Usage!.InputTokenCount);
        Assert.AreEqual(expected.Usage.OutputTokenCount, found.Usage.OutputTokenCount);
        Assert.AreEqual(ModelId, found.ModelId);
    }

    [TestMethod]
    public async Task AStreamComesInPiecesAndIsTheSame()
    {
        using IChatClient client = Connect();
        var updates = new List<ChatResponseUpdate>();
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(s_messages, s_greedy))
            updates.Add(update);
        ChatResponse expected = await Ours.GetResponseAsync(s_messages, s_greedy), found = updates.ToChatResponse();
        Assert.AreEqual(expected.Text, found.Text);
        Assert.AreEqual(expected.FinishReason, found.FinishReason);
        Assert.AreEqual(expected.Usage!.TotalTokenCount, found.Usage!.TotalTokenCount);
        Assert.IsGreaterThan(2, updates.Count(update => update.Text.Length > 0));
    }

    [TestMethod]
    public async Task WhatIsRefusedIsABadRequestWithTheReason()
    {
        using IChatClient client = Connect(), stranger = Connect("other");
        var penalty = await Assert.ThrowsExactlyAsync<ClientResultException>(() => client.GetResponseAsync(s_messages, new ChatOptions { FrequencyPenalty = 1 }));
        Assert.AreEqual(400, penalty.Status);
        StringAssert.Contains(penalty.Message, "FrequencyPenalty");
        var json = await Assert.ThrowsExactlyAsync<ClientResultException>(() => client.GetResponseAsync(s_messages, new ChatOptions { ResponseFormat = ChatResponseFormat.Json }));
        Assert.AreEqual(400, json.Status);
        StringAssert.Contains(json.Message, "response_format");
        var model = await Assert.ThrowsExactlyAsync<ClientResultException>(() => stranger.GetResponseAsync(s_messages));
        StringAssert.Contains(model.Message, "'other'");
        var stream = await Assert.ThrowsExactlyAsync<ClientResultException>(
            async () => await client.GetStreamingResponseAsync(s_messages, new ChatOptions { PresencePenalty = 1 }).ToChatResponseAsync());
        Assert.AreEqual(400, stream.Status);
    }

    [TestMethod]
    public async Task ModelsAreListed()
    {
        var models = await Service().GetOpenAIModelClient().GetModelsAsync();
        CollectionAssert.AreEqual(new[] { ModelId }, models.Value.Select(model => model.Id).ToArray());
    }

    [TestMethod]
    public async Task AClientThatDisconnectsLeavesNoRequest()
    {
        using IChatClient client = Connect();
        using var stop = new CancellationTokenSource();
        int read = 0;
        await Assert.ThrowsAsync<OperationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync(s_messages, new ChatOptions { Temperature = 0, StopSequences = ["never"] }, stop.Token))
            {
                if (++read == 3)
                    await stop.CancelAsync();
            }
        });
        // Once it has left, as many requests as there are places are taken; the connection's end takes a moment to be seen.
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                await Task.WhenAll(Enumerable.Range(0, Places).Select(_ => client.GetResponseAsync(s_messages, new ChatOptions { MaxOutputTokens = 1 })));
                return;
            }
            catch (ClientResultException full) when (full.Status == 429 && attempt < 40)
            {
                await Task.Delay(50);
            }
        }
    }

    private IChatClient Connect(string model = ModelId) => Service().GetChatClient(model).AsIChatClient();

    private OpenAIClient Service() => new(new ApiKeyCredential("none"), new OpenAIClientOptions
    {
        Endpoint = new Uri(_address, "/v1"),
        RetryPolicy = new ClientRetryPolicy(maxRetries: 0),
    });
}
