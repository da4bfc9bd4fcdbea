using System.Diagnostics;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Tests.Tokenization.ChatTemplates;

/// <summary>Templates that would run for ever, or fill the memory or the stack, end with a clear error and soon.</summary>
[TestClass]
public sealed class LimitTests
{
    private const string Double30 = "{% for i in range(30) %}{% set ns.x = ns.x + ns.x %}{% endfor %}";

    [TestMethod]
    [DataRow("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "steps")]
    [DataRow("{% for a in range(99999) %}{{ range(99999) | list | length }}{% endfor %}", "steps")]
    [DataRow("{% for a in range(99999) %}{{ range(99999) | map('string') | join | length }}{% endfor %}", "steps")]
    [DataRow("{% set ns = namespace(x=[1]) %}" + Double30, "steps")]
    [DataRow("{% set ns = namespace(x='ab') %}" + Double30, "characters")]
    [DataRow("{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}", "characters")]
    [DataRow("{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson | length }}", "characters")]
    [DataRow("{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}", "steps")]
    [DataRow("{% set ns = namespace(x=[1]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}", "nest")]
    [DataRow("{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "characters")]
    [DataRow("{{ 'x' * 10 ** 12 }}", "characters")]
    [DataRow("{{ [1] * 10 ** 12 }}", "steps")]
    [DataRow("{{ 'x'.center(10 ** 12) }}", "characters")]
    [DataRow("{{ 'x'.ljust(2000000000) }}", "characters")]
    [DataRow("{{ '1'.zfill(2000000000) }}", "characters")]
    [DataRow("{{ '\t'.expandtabs(2000000000) }}", "characters")]
    [DataRow("{{ '%2000000000d' % 1 }}", "characters")]
    [DataRow("{{ '%.2000000000f' % 1 }}", "precision")]
    [DataRow("{{ '{:2000000000}'.format(1) }}", "characters")]
    [DataRow("{{ ('x' * 10000).replace('', 'y' * 10000) }}", "characters")]
    [DataRow("{{ ('x' * 10000).join('y' * 10000) }}", "characters")]
    [DataRow("{{ 'a\nb' | indent(2000000000) }}", "characters")]
    [DataRow("{{ [1] | tojson(indent=2000000000) }}", "characters")]
    [DataRow("{{ [1] | batch(2000000000, 0) | list }}", "steps")]
    [DataRow("{{ [1] | slice(2000000000, 0) | list }}", "steps")]
    [DataRow("{{ range(10 ** 9) }}", "range")]
    [DataRow("{{ 10 ** (10 ** 10) }}", "bits")]
    [DataRow("{% set ns = namespace(x=3) %}{% for i in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}", "bits")]
    [DataRow("{{ 5 | round(-2000000000) }}{{ 5.0 | round(-2000000000) }}{{ 5.0 | round(2000000000) }}{{ raise_exception('done') }}", "done")]
    [DataRow("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "deep")]
    [DataRow("{% macro m(x) %}{{ caller() }}{% call m() %}{{ x }}{% endcall %}{% endmacro %}{% call m(1) %}{% endcall %}", "deep")]
    [DataRow("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "deep")]
    public void Ends(string template, string reason)
    {
        Stopwatch watch = Stopwatch.StartNew();
        Assert.Contains(reason, Assert.ThrowsExactly<ChatTemplateException>(() => JinjaTests.Render(template)).Message);
        Assert.IsLessThan(20, watch.Elapsed.TotalSeconds);
    }

    [TestMethod]
    [DataRow("{{ ", "(", "1", ")", " }}")]
    [DataRow("{{ ", "[", "1", "]", " }}")]
    [DataRow("{{ ", "{1:", "1", "}", " }}")]
    [DataRow("{{ ", "not ", "1", "", " }}")]
    [DataRow("{{ ", "-", "1", "", " }}")]
    [DataRow("{{ ", "1 + ", "1", "", " }}")]
    [DataRow("{{ ", "1 if x else ", "1", "", " }}")]
    [DataRow("{{ x", "[0]", "", "", " }}")]
    [DataRow("{{ x", "|list", "", "", " }}")]
    [DataRow("", "{% if x %}", "", "{% endif %}", "")]
    [DataRow("", "{% for x in y %}", "", "{% endfor %}", "")]
    [DataRow("{% set ", "(", "x", ")", " = 1 %}")]
    public void DeepTemplatesAreReadOrRefusedOnASmallStack(string before, string open, string inner, string close, string after)
    {
        foreach (int depth in new[] { 20, 100, 2_000, 50_000 })
        {
            string template = before + string.Concat(Enumerable.Repeat(open, depth)) + inner + string.Concat(Enumerable.Repeat(close, depth)) + after;
            bool? read = null;
            // As small as threads of servers get; an overflow would end the process.
            Thread thread = new(() => read = IsRead(template), maxStackSize: 512 * 1024);
            thread.Start();
            thread.Join();
            Assert.IsNotNull(read, "another exception than the documented one");
            Assert.IsTrue(depth > 20 || read.Value || open == "[0]", $"{depth} levels are ordinary");
        }
    }

    private static bool? IsRead(string template)
    {
        try
        {
            JinjaTests.Render(template);
            return true;
        }
        catch (ChatTemplateException refused)
        {
            Assert.IsGreaterThan(10, refused.Message.Length);
            return false;
        }
#pragma warning disable CA1031 // Whatever else comes is the finding, and would end the process on this thread.
        catch (Exception)
        {
            return null;
        }
#pragma warning restore CA1031
    }

    [TestMethod]
    public void ALongConversationFits()
    {
        ChatTemplate template = ChatTemplate.Parse(
            "{% set ns = namespace(all='') %}{% for m in messages %}{% set ns.all = ns.all + m.role + ': ' + m.content | trim + '\n' %}{% endfor %}{{ ns.all }}");
        ChatTurn[] turns = [.. Enumerable.Range(0, 2000).Select(i => new ChatTurn(i % 2 == 0 ? "user" : "assistant", new string('x', 500)))];
        Assert.AreEqual(2000 * 500 + 1000 * ("user: \n".Length + "assistant: \n".Length), template.Render(turns, addGenerationPrompt: false).Length);
    }
}
