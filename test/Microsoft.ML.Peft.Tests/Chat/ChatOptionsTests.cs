using Microsoft.Extensions.AI;
using static Microsoft.ML.Peft.Tests.Chat.ChatFixture;

namespace Microsoft.ML.Peft.Tests.Chat;

/// <summary>What is refused is refused by name, before anything runs.</summary>
[TestClass]
public sealed class ChatOptionsTests
{
    private const string WithTools =
        "{% for t in tools %}[{{ t['function']['name'] }}]{% endfor %}{% for m in messages %}{{ m['role'] }}:{{ m['content'] }}"
        + "{% for c in m['tool_calls'] %}<{{ c['function']['name'] }} {{ c['function']['arguments']['x'] }}>{% endfor %};{% endfor %}";

    public static IEnumerable<object[]> Refused =>
    [
        [new ChatOptions { FrequencyPenalty = 0.5f }, nameof(ChatOptions.FrequencyPenalty)],
        [new ChatOptions { PresencePenalty = 0.5f }, nameof(ChatOptions.PresencePenalty)],
        [new ChatOptions { ResponseFormat = ChatResponseFormat.Json }, nameof(ChatOptions.ResponseFormat)],
        [new ChatOptions { ConversationId = "1" }, nameof(ChatOptions.ConversationId)],
        [new ChatOptions { ToolMode = ChatToolMode.RequireAny }, nameof(ChatOptions.ToolMode)],
        [new ChatOptions { AllowMultipleToolCalls = true }, nameof(ChatOptions.AllowMultipleToolCalls)],
        [new ChatOptions { Reasoning = new ReasoningOptions() }, nameof(ChatOptions.Reasoning)],
        [new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "one")] }, nameof(ChatOptions.Tools)],
        [new ChatOptions { AdditionalProperties = new() { ["logit_bias"] = 1 } }, "logit_bias"],
        [new ChatOptions { AdditionalProperties = new() { ["adapter"] = "nobody" } }, "'nobody'"],
        [new ChatOptions { AdditionalProperties = new() { ["adapter"] = 7 } }, "Int32"],
        [new ChatOptions { RawRepresentationFactory = _ => "text" }, nameof(ChatOptions.RawRepresentationFactory)],
        [new ChatOptions { RawRepresentationFactory = _ => new GenerationOptions { NumBeams = 2 } }, nameof(GenerationOptions.NumBeams)],
        [new ChatOptions { ModelId = "other" }, "'other'"],
        [new ChatOptions { Temperature = -1 }, nameof(ChatOptions.Temperature)],
        [new ChatOptions { TopP = 2 }, nameof(ChatOptions.TopP)],
        [new ChatOptions { TopK = -1 }, nameof(ChatOptions.TopK)],
        [new ChatOptions { MaxOutputTokens = 0 }, nameof(GenerationOptions.MaxNewTokens)],
        [new ChatOptions { StopSequences = [""] }, nameof(GenerationOptions.StopStrings)],
    ];

    [TestMethod]
    public async Task WhatCannotBeHonouredIsRefusedByName()
    {
        using var fixture = new ChatFixture();
        foreach (object[] refused in Refused)
        {
            Exception failure = await Assert.ThrowsAsync<Exception>(() => fixture.Client.GetResponseAsync(Ask("Hi"), (ChatOptions)refused[0]));
            Assert.IsTrue(failure is ArgumentException or NotSupportedException, $"{refused[1]}: {failure}");
            StringAssert.Contains(failure.Message, (string)refused[1]);
        }
        await fixture.Settle();
    }

    [TestMethod]
    public async Task WhatSwitchesNothingOnIsTaken()
    {
        using var fixture = new ChatFixture();
        var options = new ChatOptions
        {
            FrequencyPenalty = 0, PresencePenalty = 0, ResponseFormat = ChatResponseFormat.Text, ToolMode = ChatToolMode.None,
            Tools = [AIFunctionFactory.Create(() => 1, "one")], TopP = 1, Temperature = 0, MaxOutputTokens = 6,
        };
        Assert.AreEqual(fixture.Alone("Hi", new GenerationOptions { MaxNewTokens = 6 }), (await fixture.Client.GetResponseAsync(Ask("Hi"), options)).Text);
    }

    [TestMethod]
    public async Task OurOwnOptionsComeThroughTheFactory()
    {
        using var fixture = new ChatFixture();
        var own = new GenerationOptions { RepetitionPenalty = 1.5, MaxNewTokens = 20 };
        ChatResponse found = await fixture.Client.GetResponseAsync(Ask("Hi"), new ChatOptions { RawRepresentationFactory = _ => own });
        Assert.AreEqual(fixture.Alone("Hi", own), found.Text);
        Assert.AreNotEqual(fixture.Alone("Hi", new GenerationOptions { MaxNewTokens = 20 }), found.Text, "the penalty counts");
    }

    [TestMethod]
    public async Task MessagesThatTheModelCannotReadAreRefused()
    {
        using var fixture = new ChatFixture();
        async Task<string> Failure<T>(params ChatMessage[] messages)
            where T : Exception => (await Assert.ThrowsExactlyAsync<T>(() => fixture.Client.GetResponseAsync(messages))).Message;

        StringAssert.Contains(await Failure<ArgumentException>(new ChatMessage(ChatRole.User, "a"), new ChatMessage(new ChatRole("critic"), "b")), "Message 1 has the role 'critic'");
        StringAssert.Contains(await Failure<NotSupportedException>(new ChatMessage(ChatRole.User, [new DataContent(new byte[4], "image/png")])), "image/png");
        StringAssert.Contains(await Failure<ArgumentException>(new ChatMessage(ChatRole.User, new string('x', 200))), "128 positions");
        StringAssert.Contains(await Failure<ChatTemplateException>(), "empty conversation");
    }

    [TestMethod]
    public async Task AModelWithoutATemplateNeedsOne()
    {
        using var fixture = new ChatFixture();
        File.WriteAllText(Path.Combine(fixture.Folder.Folder, "tokenizer_config.json"), "{}");
        using (var none = new PeftChatClient(fixture.Folder.Folder))
        {
            var failure = await Assert.ThrowsExactlyAsync<InvalidOperationException>(() => none.GetResponseAsync(Ask("Hi")));
            StringAssert.Contains(failure.Message, nameof(PeftChatClientOptions.ChatTemplate));
        }
        using var given = new PeftChatClient(fixture.Folder.Folder, new PeftChatClientOptions { ChatTemplate = "{{ messages[0]['content'] }}" });
        Assert.AreEqual(2, (await given.GetResponseAsync(Ask("Hi"), Greedy(1))).Usage!.InputTokenCount);
    }

    [TestMethod]
    public async Task AFailingTemplateSaysWhy()
    {
        using var fixture = new ChatFixture(options => options.ChatTemplate = "{{ raise_exception('users first') }}");
        var failure = await Assert.ThrowsExactlyAsync<ChatTemplateException>(() => fixture.Client.GetResponseAsync(Ask("Hi")));
        Assert.AreEqual("users first", failure.Reason);
    }

    [TestMethod]
    public async Task ToolsAndTheirCallsReachATemplateThatReadsThem()
    {
        using var fixture = new ChatFixture(options => options.ChatTemplate = WithTools);
        ChatMessage[] messages =
        [
            new(ChatRole.User, "go"),
            new(ChatRole.Assistant, [new FunctionCallContent("c1", "twice", new Dictionary<string, object?> { ["x"] = 4 })]),
            new(ChatRole.Tool, [new FunctionResultContent("c1", 8)]),
        ];
        var options = Greedy(1);
        (options.Tools, options.Instructions) = ([AIFunctionFactory.Create((int x) => 2 * x, "twice")], "Be brief.");
        ChatResponse found = await fixture.Client.GetResponseAsync(messages, options);
        Assert.AreEqual("[twice]system:Be brief.;user:go;assistant:<twice 4>;tool:8;".Length, found.Usage!.InputTokenCount);
    }
}
