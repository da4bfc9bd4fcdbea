using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Tests.Tokenization.ChatTemplates;

/// <summary>Which characters the assistant wrote: its turns up to their end, no header and nothing of others.</summary>
[TestClass]
public sealed class SpanTests
{
    private const string ChatMl =
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

    private static readonly ChatTurn[] Talk =
        [new("system", "s"), new("user", "q 🎉"), new("assistant", "one"), new("user", "again"), new("assistant", "two")];

    [TestMethod]
    public void PrefixesTellTheTurns() => AssertWritten(ChatMl, Talk, "one<|im_end|>\n", "two<|im_end|>\n");

    [TestMethod]
    public void AConversationThatGoesOnAfterTheAssistant() => AssertWritten(ChatMl, [.. Talk, new("user", "more")], "one<|im_end|>\n", "two<|im_end|>\n");

    [TestMethod]
    public void NoAssistantNoSpans() => AssertWritten(ChatMl, [new("user", "q")]);

    [TestMethod]
    public void ATemplateWithoutPrompt() => AssertWritten(
        "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}{% else %}{{ ' ' + m.content + '</s>' }}{% endif %}{% endfor %}",
        Talk[1..], " one</s>", " two</s>");

    [TestMethod]
    public void ATemplateThatClosesTheText() => AssertWritten(
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% else %}<|endoftext|>{% endif %}",
        Talk, "one<|end|>", "two<|end|><|endoftext|>");

    [TestMethod]
    public void MarkedBlocksAreBelieved() => AssertWritten(
        "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}.{% endgeneration %}{% else %}{{ m.content }}{% endif %}\n{% endfor %}",
        Talk, "one.", "two.");

    [TestMethod]
    public void ATurnThatChangesWhenMoreFollowIsRefused()
    {
        const string Forgets = "{% for m in messages %}<{{ m.role }}>{{ m.content if loop.last else '...' }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
        ChatTemplateException refused = Assert.ThrowsExactly<ChatTemplateException>(() => ChatTemplate.Parse(Forgets).RenderWithSpans(Talk));
        Assert.Contains("message 3", refused.Message);
        Assert.Contains("{% generation %}", refused.Message);
    }

    [TestMethod]
    public void AnAssistantThatStartsIsRefused() =>
        Assert.Contains("message 1", Assert.ThrowsExactly<ChatTemplateException>(() => ChatTemplate.Parse(ChatMl).RenderWithSpans([new("assistant", "x")])).Message);

    [TestMethod]
    public void ToolCallsAreTheAssistantsToo()
    {
        JsonObject call = new() { ["role"] = "assistant", ["tool_calls"] = new JsonArray(new JsonObject { ["name"] = "f" }) };
        AssertWritten(
            "{% for m in messages %}<{{ m.role }}>{{ m.content or m.tool_calls | tojson }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
            [new("user", "q"), new ChatTurn(call), new("tool", "r"), new("assistant", "x")], """[{"name": "f"}]</>""", "x</>");
    }

    private static void AssertWritten(string template, ChatTurn[] turns, params string[] written)
    {
        ChatTemplate parsed = ChatTemplate.Parse(template);
        RenderedChat chat = parsed.RenderWithSpans(turns);
        Assert.AreEqual(parsed.Render(turns, addGenerationPrompt: false), chat.Text);
        CollectionAssert.AreEqual(written, chat.Assistant.Select(span => chat.Text[span.Start..span.End]).ToArray());
    }
}
