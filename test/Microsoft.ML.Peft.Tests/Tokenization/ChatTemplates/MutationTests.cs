using System.Diagnostics;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Tests.Tokenization.ChatTemplates;

/// <summary>Ten thousand damaged templates: rendered or refused with the documented exception, and none hangs.</summary>
[TestClass]
public sealed class MutationTests
{
    private const int Mutations = 10_000;

    private static readonly string[] Pieces =
    [
        "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "~", "|", ".", ",", "(", ")", "[", "]", "{", "}", ":", "'", "\"", "\\", "\n", " ", "**", "//", "%", "*",
        "if", "else", "endif", "for", "in", "endfor", "set", "is", "not", "and", "loop", "messages", "none", "0", "-1", "1e9", "9999999999", "range", "🎉", "macro", "caller",
    ];

    [TestMethod]
    public void DamagedTemplates()
    {
        string[] sources = [.. JinjaTests.Templates.Where(template => template.Length > 0), .. SharedTemplates()];
        Random random = new(5);
        int refused = 0;
        Stopwatch watch = Stopwatch.StartNew();
        TimeSpan longest = TimeSpan.Zero;
        for (int i = 0; i < Mutations; i++)
        {
            string template = Mutate(sources[random.Next(sources.Length)], sources, random);
            TimeSpan start = watch.Elapsed;
            refused += IsRefused(template) ? 1 : 0;
            longest = watch.Elapsed - start > longest ? watch.Elapsed - start : longest;
        }
        Console.WriteLine($"{refused} of {Mutations} refused in {watch.Elapsed.TotalSeconds:F1} s, the longest took {longest.TotalSeconds:F2} s");
        Assert.IsTrue(refused is > Mutations / 10 and < Mutations * 9 / 10, $"{refused} refused: the damage is too small or too great to tell");
        Assert.IsLessThan(20, longest.TotalSeconds);
    }

    private static IEnumerable<string> SharedTemplates() => Shared.Folders(Shared.ParityRoot, "case.json")
        .Where(folder => Path.GetFileName(folder).StartsWith("chat-template-", StringComparison.Ordinal))
        .Select(folder => (string)JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "case.json")))!["template"]!);

    private static bool IsRefused(string template)
    {
        try
        {
            JinjaTests.Render(template);
            return false;
        }
        catch (ChatTemplateException refused)
        {
            Assert.IsGreaterThan(10, refused.Message.Length);
            return true;
        }
    }

    private static string Mutate(string template, string[] sources, Random random)
    {
        for (int count = random.Next(1, 4); count > 0; count--)
        {
            int at = random.Next(template.Length + 1);
            int length = random.Next(Math.Min(12, template.Length - at + 1));
            string other = sources[random.Next(sources.Length)];
            int from = random.Next(other.Length);
            template = random.Next(4) switch
            {
                0 => template.Remove(at, length),
                1 => template.Insert(at, Pieces[random.Next(Pieces.Length)]),
                2 => template[..at] + Pieces[random.Next(Pieces.Length)] + template[(at + length)..],
                _ => template.Insert(at, other.Substring(from, random.Next(Math.Min(40, other.Length - from + 1)))),
            };
        }
        return template;
    }
}
