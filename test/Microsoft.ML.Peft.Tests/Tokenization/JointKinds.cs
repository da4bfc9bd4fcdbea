using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>Small tokenizers of each kind, which know letters, a few signs, <c>&lt;/s&gt;</c>, and merges across what tests cut.</summary>
internal static class JointKinds
{
    public const string ByteLevel = "byte-level BPE", WordPiece = "WordPiece", SentencePiece = "SentencePiece", Legacy = "legacy SentencePiece", Metaspace = "Metaspace", Prepend = "Prepend";

    private const string Chat = """
        "chat_template": "{% for m in messages %}{{ m.role }}:{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
        """;

    public static readonly string[] All = [ByteLevel, WordPiece, SentencePiece, Legacy, Metaspace, Prepend];

    /// <summary>Those that keep every blank.</summary>
    public static readonly string[] Lossless = [ByteLevel, SentencePiece, Legacy, Metaspace, Prepend];

    public static TextTokenizer Load(string kind, TemporaryFolder folder)
    {
        Write(kind, folder);
        return TextTokenizer.Load(folder.Path);
    }

    private static void Write(string kind, TemporaryFolder folder)
    {
        folder.Write("tokenizer_config.json", kind == Legacy ? $$"""{"eos_token": "</s>", "legacy": true, {{Chat}} }""" : $$"""{"eos_token": "</s>", "legacy": false, {{Chat}} }""");
        switch (kind)
        {
            case ByteLevel:
                folder.Write("tokenizer.json", Bpe(
                    ["Ġ", "Ċ"], ["= =", ": Ċ", "Ġ b", "Ċ b", "a b"], """
                    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}, "decoder": {"type": "ByteLevel"}
                    """));
                break;
            case WordPiece:
                folder.Write("tokenizer.json", $$"""
                    {"added_tokens": [{"id": 0, "content": "</s>", "special": true, "normalized": false}],
                     "normalizer": {"type": "BertNormalizer"}, "pre_tokenizer": {"type": "BertPreTokenizer"},
                     "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}, "decoder": {"type": "WordPiece"},
                     "model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": { {{Vocabulary([
                         "</s>", "[CLS]", "[SEP]", "[UNK]", "=", ":", "a", "b", "ab", "##b", "##s", "user", "assistant"])}} } } }
                    """);
                break;
            case SentencePiece or Legacy:
                File.WriteAllBytes(Path.Combine(folder.Path, "tokenizer.model"), TinySentencePiece.Bytes("==", ":\n", "▁b", "ab"));
                break;
            case Metaspace:
                folder.Write("tokenizer.json", Bpe(["▁", "\\n"], ["= =", ": \\n", "▁ b", "a b"], """
                    "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": false},
                    "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}
                    """));
                break;
            default:
                folder.Write("tokenizer.json", Bpe(["▁", "\\n"], ["= =", ": \\n", "▁ b", "a b"], """
                    "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
                    "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
                    """));
                break;
        }
    }

    private static string Bpe(string[] blanks, string[] merges, string rest)
    {
        IEnumerable<string> letters = "=:abcdefghijklmnopqrstuvwxyz".Select(letter => letter.ToString());
        string vocabulary = Vocabulary(["</s>", "<s>", .. blanks, .. letters, .. merges.Select(merge => merge.Replace(" ", "", StringComparison.Ordinal))]);
        return $$"""
            {"added_tokens": [{"id": 0, "content": "</s>", "special": true, "normalized": false}], {{rest}},
             "model": {"type": "BPE", "vocab": { {{vocabulary}} }, "merges": [{{string.Join(", ", merges.Select(merge => $"\"{merge}\""))}}] } }
            """;
    }

    private static string Vocabulary(string[] tokens) => string.Join(", ", tokens.Select((token, id) => $"\"{token}\": {id}"));
}
