using System.Text.Json.Nodes;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>A chat template and conversations: the text that transformers made of each, or that it failed.</summary>
internal static class ChatTemplateParity
{
    public const string Expectations = @"^\$\.items\[\d+\]\.(text|error)$";

    public static void Run(ParityCase parityCase)
    {
        JsonObject json = parityCase.Json;
        ChatTemplate template = ChatTemplate.Parse((string)json["template"]!, json
            .Where(entry => entry.Key.EndsWith("_token", StringComparison.Ordinal))
            .ToDictionary(entry => entry.Key, entry => entry.Value));
        foreach (JsonObject item in json["items"]!.AsArray().Select(item => item!.AsObject()))
        {
            Check(parityCase.Texts, template, item);
        }
    }

    private static void Check(ExpectedJson texts, ChatTemplate template, JsonObject item)
    {
        string Render() => template.Render(
            [.. item["messages"]!.AsArray().Select(message => new ChatTurn(message!.AsObject()))],
            (bool)item["add_generation_prompt"]!,
            item["tools"],
            item["kwargs"]?.AsObject().ToDictionary(entry => entry.Key, entry => entry.Value));
        if (!item.ContainsKey("error"))
        {
            texts.Same(item["text"]!, Render(), item.ToJsonString());
            return;
        }
        ChatTemplateException refused = texts.Throws<ChatTemplateException>(item["error"]!, Render, item.ToJsonString());
        // The template's own words; those of Python and Jinja are theirs.
        if ((string)item["error"]! == "TemplateError")
        {
            Assert.AreEqual((string)item["message"]!, refused.Reason);
        }
    }
}
