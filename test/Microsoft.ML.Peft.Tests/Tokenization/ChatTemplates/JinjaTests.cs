using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Tests.Tokenization.ChatTemplates;

/// <summary>Each template of expectations.json makes the text that Jinja2 made, or fails where it failed (reference.py).</summary>
[TestClass]
public sealed class JinjaTests
{
    private static readonly JsonObject File = JsonNode.Parse(
        System.IO.File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Tokenization", "ChatTemplates", "expectations.json")))!.AsObject();

    private static readonly Dictionary<string, JsonNode?> Extra = File["extra"]!.AsObject().ToDictionary(entry => entry.Key, entry => entry.Value);

    internal static IEnumerable<string> Templates => File["cases"]!.AsArray().Select(item => (string)item!["template"]!);

    public static IEnumerable<object[]> Cases => File["cases"]!.AsArray().Select(item => new object[] { item!.ToJsonString() });

    public static string Name(System.Reflection.MethodInfo method, object[] data) =>
        $"{method.Name} {JsonSerializer.Serialize((string)JsonNode.Parse((string)data[0])!["template"]!)}";

    [TestMethod]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(Name))]
    public void AsJinja(string json)
    {
        JsonNode expected = JsonNode.Parse(json)!;
        if (expected["error"] is { } error)
        {
            ChatTemplateException refused = Assert.ThrowsExactly<ChatTemplateException>(() => Render((string)expected["template"]!), $"Jinja: {error}");
            Assert.IsGreaterThan(0, refused.Line, refused.Message);
            Assert.Contains($"line {refused.Line}: {refused.Reason}", refused.Message);
            return;
        }
        Assert.AreEqual((string)expected["text"]!, Render((string)expected["template"]!));
    }

    [TestMethod]
    [DynamicData(nameof(Cases), DynamicDataDisplayName = nameof(Name))]
    public void MarkedAsTransformers(string json)
    {
        JsonNode expected = JsonNode.Parse(json)!;
        if (expected["generated"] is not JsonArray generated)
        {
            return;
        }
        string text = (string)expected["text"]!;
        TextSpan[] spans = [.. generated.Select(span => new TextSpan(Utf16((int)span![0]!), Utf16((int)span[1]!)))];
        CollectionAssert.AreEqual(spans, ChatTemplate.Parse((string)expected["template"]!).RenderWithSpans(Conversation, extra: Extra).Assistant.ToArray());

        // Python counts code points.
        int Utf16(int index) => string.Concat(text.EnumerateRunes().Take(index)).Length;
    }

    internal static readonly ChatTurn[] Conversation = [new("user", "Hi"), new("assistant", "Hello, world!")];

    internal static string Render(string template) =>
        ChatTemplate.Parse(template, clock: new StoppedClock()).Render(Conversation, addGenerationPrompt: false, extra: Extra);

    /// <summary>The time at which the expectations were made.</summary>
    private sealed class StoppedClock : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(2024, 7, 9, 8, 5, 3, TimeSpan.Zero);
    }
}
