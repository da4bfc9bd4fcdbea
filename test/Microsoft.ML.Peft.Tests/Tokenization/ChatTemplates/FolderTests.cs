using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Tests.Tokenization.ChatTemplates;

/// <summary>Where a model's folder keeps its template and its special tokens.</summary>
[TestClass]
public sealed class FolderTests
{
    private static readonly ChatTurn[] Hi = [new("user", "Hi")];

    private readonly TemporaryFolder _folder = new();

    [TestCleanup]
    public void Delete() => _folder.Dispose();

    [TestMethod]
    public void ATemplateOfTheConfigurationWithItsTokens()
    {
        _folder.Write("tokenizer_config.json", """
            {"chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token is defined }}",
             "bos_token": "<s>", "eos_token": {"content": "</s>", "special": true}}
            """);
        Assert.AreEqual("<s>Hi</s>False", Render());
    }

    [TestMethod]
    public void TokensOfTheSpecialTokensMap()
    {
        _folder.Write("chat_template.jinja", "{{ bos_token }}{{ unk_token }}");
        _folder.Write("special_tokens_map.json", """{"bos_token": "<b>", "unk_token": {"content": "<u>"}}""");
        Assert.AreEqual("<b><u>", Render());
    }

    [TestMethod]
    public void TheFileComesBeforeTheConfiguration()
    {
        _folder.Write("tokenizer_config.json", """{"chat_template": "configuration"}""");
        _folder.Write("chat_template.jinja", "file\n");
        Assert.AreEqual("file", Render());
    }

    [TestMethod]
    public void OfSeveralTemplatesTheDefaultOne()
    {
        _folder.Write("tokenizer_config.json", """{"chat_template": [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]}""");
        Assert.AreEqual("plain", Render());
    }

    [TestMethod]
    public void SeveralTemplatesWithoutADefaultAreRefused()
    {
        _folder.Write("tokenizer_config.json", """{"chat_template": [{"name": "tool_use", "template": "x"}, {"name": "rag", "template": "y"}]}""");
        string message = Assert.ThrowsExactly<InvalidDataException>(() => ChatTemplate.Load(_folder.Path)).Message;
        Assert.Contains("chat_template", message);
        Assert.Contains("expected a template named 'default', found tool_use, rag", message);
    }

    [TestMethod]
    public void ABrokenTemplateNamesItsFolder()
    {
        _folder.Write("chat_template.jinja", "x\n{% if %}");
        ChatTemplateException refused = Assert.ThrowsExactly<ChatTemplateException>(() => ChatTemplate.Load(_folder.Path));
        Assert.Contains(_folder.Path, refused.Message);
        Assert.AreEqual(2, refused.Line);
    }

    [TestMethod]
    [DataRow("""{"chat_template": 5}""")]
    [DataRow("""{"chat_template": [{"name": "default"}]}""")]
    [DataRow("""{"chat_template": "x", "bos_token": 7}""")]
    public void AWrongConfigurationNamesFileAndKey(string json)
    {
        _folder.Write("tokenizer_config.json", json);
        Assert.Contains("tokenizer_config.json: $.", Assert.ThrowsExactly<InvalidDataException>(() => ChatTemplate.Load(_folder.Path)).Message);
    }

    [TestMethod]
    public void AFolderWithoutTemplateHasNone()
    {
        Assert.IsNull(ChatTemplate.Load(_folder.Path));
        _folder.Write("tokenizer_config.json", """{"bos_token": "<s>"}""");
        Assert.IsNull(ChatTemplate.Load(_folder.Path));
    }

    [TestMethod]
    public void SmolLM2RendersAsItsFolderSays()
    {
        string folder = Path.Combine(Shared.ModelsRoot, "smollm2-135m-instruct");
        SharedData.RequireFolder(folder);
        // The text that the template of its tokenizer_config.json spells out.
        Assert.AreEqual(
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            + "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
            ChatTemplate.Load(folder)!.Render(Hi, addGenerationPrompt: true));
    }

    private string Render() => ChatTemplate.Load(_folder.Path)!.Render(Hi, addGenerationPrompt: false);
}
