namespace Microsoft.ML.Peft.Tests.Tokenization;

/// <summary>Whole tokenizers of a few tokens.</summary>
internal static class TinyFiles
{
    public const string WordPiece = """
        {"added_tokens": [{"id": 4, "content": "[MASK]", "lstrip": true, "rstrip": false, "single_word": false, "normalized": false, "special": true},
                          {"id": 9, "content": "New York", "lstrip": false, "rstrip": false, "single_word": true, "normalized": true, "special": false}],
         "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
         "pre_tokenizer": {"type": "BertPreTokenizer"},
         "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
         "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
         "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 20,
                   "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "[PAD]": 3, "[MASK]": 4, "cafe": 5, "##s": 6, "the": 7, ",": 8}}}
        """;

    public const string Bpe = """
        {"added_tokens": [{"id": 1, "content": "<s>", "special": true, "normalized": false}],
         "normalizer": {"type": "Sequence", "normalizers": [
             {"type": "NFKD"}, {"type": "Strip", "strip_left": false, "strip_right": true}, {"type": "StripAccents"}, {"type": "Lowercase"}]},
         "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true},
         "post_processor": {"type": "TemplateProcessing",
             "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
             "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
             "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
         "decoder": {"type": "Sequence", "decoders": [
             {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
             {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
         "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": false, "ignore_merges": true,
                   "vocab": {"<unk>": 0, "<s>": 1, "▁": 2, "a": 3, "b": 4, "ab": 5, "▁ab": 6, "▁b": 7, "▁bab": 8},
                   "merges": ["a b", ["▁", "ab"], "▁ b"]}}
        """;

    public const string Unigram = """
        {"normalizer": {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
         "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true}]},
         "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
         "model": {"type": "Unigram", "unk_id": 0,
                   "vocab": [["<unk>", 0.0], ["▁", -2.0], ["a", -3.0], ["b", -3.5], ["ab", -4.0], ["▁ab", -4.5], ["abab", -9.0]]}}
        """;

    public const string ByteLevel = """
        {"added_tokens": [{"id": 0, "content": "<|end|>", "special": true, "normalized": false, "rstrip": true}],
         "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
             {"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}| ?\\p{L}++|[^\\s\\p{L}\\p{N}]+|\\s+"}, "behavior": "Isolated", "invert": false},
             {"type": "Digits", "individual_digits": true}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
         "post_processor": {"type": "RobertaProcessing", "sep": ["<|end|>", 0], "cls": ["<|end|>", 0]},
         "decoder": {"type": "ByteLevel"},
         "model": {"type": "BPE", "vocab": {"<|end|>": 0, "a": 1, "b": 2, "Ġ": 3, "Ã": 4, "©": 5, "Ã©": 6, "Ġa": 7, "1": 8, "2": 9, "ab": 10},
                   "merges": ["Ã ©", "Ġ a", "a b"]}}
        """;
}
