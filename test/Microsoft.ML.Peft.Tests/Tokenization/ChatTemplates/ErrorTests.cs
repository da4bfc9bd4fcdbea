using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Tests.Tokenization.ChatTemplates;

/// <summary>What is wrong is said with its line and what was expected.</summary>
[TestClass]
public sealed class ErrorTests
{
    [TestMethod]
    [DataRow("a\n{% if x %}\nb", 3, "expected a tag 'elif' or 'else' or 'endif', found the end of the template")]
    [DataRow("a\n{% for x in y %}{% endif %}", 2, "unknown tag 'endif'; expected 'endfor' or 'else'")]
    [DataRow("\n\n{{ x ", 3, "expected '}}'")]
    [DataRow("{% if x }", 1, "unexpected '}'")]
    [DataRow("{{ (1 + }}", 1, "unexpected '}'; expected ')'")]
    [DataRow("{% set = 1 %}", 1, "expected the name of a variable, found '='")]
    [DataRow("{% include 'x' %}", 1, "unknown tag 'include'")]
    [DataRow("x\n{{ messages[0].role.more.most }}", 2, "'str object' has no attribute 'more'")]
    [DataRow("x\n{{ nothing.role }}", 2, "'nothing' is undefined")]
    [DataRow("\n{{ 'a' | sideways }}", 2, "no filter named 'sideways'")]
    [DataRow("\n{{ 'a' is sideways }}", 2, "no test named 'sideways'")]
    [DataRow("\n{{ raise_exception('Only user and assistant roles') }}", 2, "Only user and assistant roles")]
    [DataRow("{{ 'abc'.center('x') }}", 1, "'center': argument 1: expected an integer, found str")]
    [DataRow("{{ 'abc'.replace('a') }}", 1, "'replace' lacks its argument 'new'")]
    [DataRow("{{ messages.append(1) }}", 1, "'list object' has no attribute 'append'")]
    [DataRow("{% set messages.x = 1 %}", 1, "cannot assign attribute 'x' of 'messages', which is no namespace")]
    public void NamesLineAndReason(string template, int line, string reason)
    {
        ChatTemplateException refused = Assert.ThrowsExactly<ChatTemplateException>(() => JinjaTests.Render(template));
        Assert.AreEqual(line, refused.Line, refused.Message);
        Assert.Contains(reason, refused.Reason);
    }

    [TestMethod]
    public void AnEmptyConversationIsRefused()
    {
        ChatTemplate template = ChatTemplate.Parse("text");
        Assert.Contains("empty conversation", Assert.ThrowsExactly<ChatTemplateException>(() => template.Render([], addGenerationPrompt: true)).Message);
    }

    [TestMethod]
    [DataRow("{{ ''.__class__.__mro__ }}")]
    [DataRow("{{ messages.GetType() }}")]
    [DataRow("{{ range.__globals__['os'] }}")]
    [DataRow("{{ messages[0].__init__.__globals__ }}")]
    [DataRow("{{ namespace.__init__.x }}")]
    [DataRow("{{ '{0.__class__.__mro__}'.format('') }}")]
    [DataRow("{{ self._TemplateReference__context.x }}")]
    public void NothingButTheInputsIsReached(string template) =>
        Assert.ThrowsExactly<ChatTemplateException>(() => JinjaTests.Render(template));

    [TestMethod]
    public void InputsAreNotChanged()
    {
        JsonObject message = new() { ["role"] = "user", ["content"] = "x" };
        JsonArray tools = [new JsonObject { ["name"] = "f" }];
        ChatTemplate template = ChatTemplate.Parse("{% set ns = namespace(m=messages) %}{% set ns.m = 1 %}{% set tools = [] %}{{ messages }}{{ tools }}");
        Assert.AreEqual("[{'role': 'user', 'content': 'x'}][]", template.Render([new ChatTurn(message)], addGenerationPrompt: false, tools));
        Assert.AreEqual("""{"role":"user","content":"x"}""", message.ToJsonString());
        Assert.AreEqual("""[{"name":"f"}]""", tools.ToJsonString());
    }
}
