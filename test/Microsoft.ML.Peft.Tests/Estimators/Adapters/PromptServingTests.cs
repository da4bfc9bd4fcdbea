using System.Collections.Concurrent;
using Microsoft.Extensions.AI;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Chat;

namespace Microsoft.ML.Peft.Tests.Estimators.Adapters;

/// <summary>Prompts of different lengths side by side, and beside LoRA: chosen by row, replaced and removed under load, in chats batched as they come.</summary>
[TestClass]
public sealed class PromptServingTests
{
    private static readonly string[] s_names = ["long", "short", "", "long", "default", "short", "long"];

    private readonly AdapterFixture _it = new();
    private string _method = "prompt";

    [TestCleanup]
    public void Clean() => _it.Dispose();

    [TestMethod]
    [DataRow("prompt"), DataRow("prefix"), DataRow("prefix-mlp"), DataRow("p-tuning")]
    public void EachRowAnswersUnderItsPrompt(string method)
    {
        _method = method;
        _it.Transformer.Adapters.Load("long", Train("long", 9));
        _it.Transformer.Adapters.Load("short", Train("short", 2));
        float[] expected = [.. s_names.Select((name, i) => _it.ScoresUnder(name.Length == 0 ? _it.Transformer.Adapters.Active : _it.Transformer.Adapters[name])[i % 4])];
        PeftTransformer routed = _it.Transformer.WithAdapterColumn("Adapter");
        AdapterFixture.AreClose(expected, _it.Scores(routed, _it.Routed(s_names)), "rows by adapter");
        AdapterFixture.Differ(_it.ScoresUnder(_it.Transformer.Adapters["long"]), _it.ScoresUnder(_it.Transformer.Adapters["short"]), "two prompts");

        string file = _it.PathOf("model.zip");
        _it.Context.Model.Save(routed, _it.Routed(s_names).Schema, file);
        using var loaded = (PeftTransformer)_it.Context.Model.Load(file, out _);
        AdapterFixture.AreClose(expected, _it.Scores(loaded, _it.Routed(s_names)), "after loading");
    }

    [TestMethod]
    [DataRow("prompt"), DataRow("prefix")]
    public void PromptsAreReplacedWhileThreadsScore(string method)
    {
        _method = method;
        string[] folders = [Train("a", 3), Train("b", 6)];
        PeftAdapters adapters = _it.Transformer.Adapters;
        PeftAdapter moving = adapters.Load("moving", folders[0]), steady = adapters.Load("steady", folders[1]);
        float[] underA = _it.ScoresUnder(moving), underB = _it.ScoresUnder(steady);
        PeftTransformer routed = _it.Transformer.WithAdapterColumn("Adapter");
        _it.Scores(routed, _it.Routed("moving", "steady"));
        long tensors = LiveTensors.Settled();
        var failures = new ConcurrentBag<string>();
        using var stop = new CancellationTokenSource();
        Thread[] threads = [.. Enumerable.Range(0, 8).Select(_ => new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                float[] found = _it.Scores(routed, _it.Routed("moving", "steady"));
                if (!Near(found[0], underA[0]) && !Near(found[0], underB[0]))
                    failures.Add($"moving: {found[0]}");
                if (!Near(found[1], underB[1]))
                    failures.Add($"steady: {found[1]}");
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        for (int round = 0; round < 12; round++)
        {
            moving = adapters.Replace(moving, folders[(round + 1) % 2]);
            adapters.Remove(adapters.Load("passing", folders[0]));
        }
        stop.Cancel();
        Array.ForEach(threads, thread => Assert.IsTrue(thread.Join(TimeSpan.FromMinutes(1)), "a thread hangs"));
        Assert.IsTrue(failures.IsEmpty, string.Join(Environment.NewLine, failures.Distinct().Take(5)));
        Assert.AreEqual(tensors, LiveTensors.Settled(), "tensors of prompts that are gone");
    }

    [TestMethod]
    [DataRow("prompt"), DataRow("prefix"), DataRow("p-tuning")]
    public async Task AChatBatchesPromptsOfDifferentLengths(string method)
    {
        _method = method;
        using var fixture = new ChatFixture(options =>
        {
            options.Adapters.Add("long", Train("long", 9));
            options.Adapters.Add("short", Train("short", 2));
        });
        string[] names = ["long", "short", "long", "short"];
        Task<ChatResponse>[] together = [.. names.Select((name, i) => Answer(fixture, name, i))];
        await Task.WhenAll(together);
        for (int i = 0; i < names.Length; i++)
            Assert.AreEqual((await Answer(fixture, names[i], i)).Text, together[i].Result.Text, $"request {i} under '{names[i]}'");
    }

    [TestMethod]
    public async Task AnAnswerEndsWithThePositionsThatThePromptLeaves()
    {
        // Without the adapter's own tokenizer, which has a token that ends answers.
        string folder = Train("long", 9);
        foreach (string file in Directory.GetFiles(folder, "tokenizer*"))
            File.Delete(file);
        using var fixture = new ChatFixture(options => options.Adapters.Add("long", folder), ends: false);
        ChatOptions options = new() { Temperature = 0, AdditionalProperties = new() { ["adapter"] = "long" } };
        options.StopSequences = ["\u2603 never"];
        ChatResponse found = await fixture.Client.GetResponseAsync(ChatFixture.Ask("Hi"), options);
        Assert.AreEqual(128 - 9, found.Usage!.TotalTokenCount);
    }

    private static Task<ChatResponse> Answer(ChatFixture fixture, string adapter, int number)
    {
        ChatOptions options = ChatFixture.Greedy(6);
        options.AdditionalProperties = new() { ["adapter"] = adapter };
        return fixture.Client.GetResponseAsync(ChatFixture.Ask($"Question {number}"), options);
    }

    private static bool Near(float found, float expected) => Math.Abs(found - expected) <= 1e-3 * expected;

    // Far from what the base says, which a prompt of a step or two would not be.
    private string Train(string name, int tokens)
    {
        if (Directory.Exists(_it.PathOf(name)))
            return _it.PathOf(name);
        using PeftTransformer model = Method(tokens).Fit(_it.Context.Data.LoadFromEnumerable([new AdapterFixture.Row { Text = "the quick brown fox" }]));
        model.SaveAdapter(_it.PathOf(name));
        return _it.PathOf(name);
    }

    private FineTuneEstimator Method(int tokens)
    {
        PeftCatalog peft = _it.Context.Peft();
        PeftTask task = PeftTask.CausalLanguageModelling();
        TrainingOptions training = new() { MaxSteps = 2, LearningRate = 5e-2, BatchSize = 1 };
        return _method switch
        {
            "prompt" => peft.PromptTune(new PromptTune.Options
            {
                BaseModel = _it.Base, Task = task, Training = training, Prompt = new PromptOptions { VirtualTokens = tokens, Start = VirtualTokenStart.Random },
            }),
            "p-tuning" => peft.PTune(new PTune.Options { BaseModel = _it.Base, Task = task, Training = training, Prompt = new PTuningOptions { VirtualTokens = tokens } }),
            _ => peft.PrefixTune(new PrefixTune.Options
            {
                BaseModel = _it.Base, Task = task, Training = training, Prefix = new PrefixOptions { VirtualTokens = tokens, PrefixProjection = _method == "prefix-mlp" },
            }),
        };
    }
}
