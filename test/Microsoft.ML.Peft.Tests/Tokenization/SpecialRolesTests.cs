using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>A family's usual special tokens hold until a file says otherwise: that a file exists says nothing.</summary>
[TestClass]
public sealed class SpecialRolesTests
{
    private const string Gpt2 = """{"a": 0, "b": 1, "Ġ": 2, "<": 3, "|": 4, "<|endoftext|>": 5, "c": 6}""";
    private const string Words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\n";

    public static IEnumerable<object[]> Silent =>
    [
        ["tokenizer_config.json", """{"model_max_length": 1024}"""],
        ["tokenizer_config.json", "{}"],
        ["special_tokens_map.json", """{"additional_special_tokens": []}"""],
        ["added_tokens.json", """{"<x>": 7}"""],
        ["chat_template.jinja", "{{ messages[0].content }}{{ eos_token }}"],
    ];

    [TestMethod]
    [DynamicData(nameof(Silent))]
    public void AFileThatSaysNothingOfRolesTakesNone(string file, string content)
    {
        using TemporaryFolder gpt2 = new();
        gpt2.Write("vocab.json", Gpt2);
        gpt2.Write("merges.txt", "#version: 0.2\n");
        gpt2.Write(file, content);
        TextTokenizer tokenizer = TextTokenizer.Load(gpt2.Path);
        Assert.AreEqual((5, 5), (tokenizer.BosId, tokenizer.EosId));
        Shared.AreEqual([0, 5, 1], tokenizer.Encode("a<|endoftext|>b").Ids, "the end in text");
        Assert.AreEqual("ab", tokenizer.Decode([0, 1, 5]));

        using TemporaryFolder bert = new();
        bert.Write("vocab.txt", Words);
        bert.Write(file, content);
        tokenizer = TextTokenizer.Load(bert.Path);
        Assert.AreEqual((0, 1, 2, 3, 4), (tokenizer.PadId, tokenizer.UnkId, tokenizer.ClsId, tokenizer.SepId, tokenizer.MaskId));

        using TemporaryFolder json = new();
        json.Write(file, content);
        tokenizer = json.Load(TinyFiles.WordPiece);
        Assert.AreEqual((3, 0, 1, 2, 4), (tokenizer.PadId, tokenizer.UnkId, tokenizer.ClsId, tokenizer.SepId, tokenizer.MaskId));
    }

    [TestMethod]
    public void AFileSaysOtherwise()
    {
        using TemporaryFolder folder = new();
        folder.Write("vocab.json", Gpt2);
        folder.Write("merges.txt", "#version: 0.2\n");
        folder.Write("tokenizer_config.json", """{"eos_token": "c", "bos_token": null}""");
        TextTokenizer tokenizer = TextTokenizer.Load(folder.Path);
        Assert.AreEqual((6, (int?)null), (tokenizer.EosId, tokenizer.BosId));
        folder.Write("special_tokens_map.json", """{"eos_token": "b", "bos_token": "a"}""");
        tokenizer = TextTokenizer.Load(folder.Path);
        Assert.AreEqual((6, 0), (tokenizer.EosId, tokenizer.BosId), "the first file that names a token");
    }

    [TestMethod]
    public void ATemplateSeesThem()
    {
        using TemporaryFolder folder = new();
        folder.Write("vocab.json", Gpt2);
        folder.Write("merges.txt", "#version: 0.2\n");
        folder.Write("tokenizer_config.json", """{"chat_template": "{{ messages[0].content }}{{ eos_token }}"}""");
        Assert.AreEqual("a<|endoftext|>", TextTokenizer.Load(folder.Path).ChatTemplate!.Render([new ChatTurn("user", "a")], addGenerationPrompt: false));
    }
}
