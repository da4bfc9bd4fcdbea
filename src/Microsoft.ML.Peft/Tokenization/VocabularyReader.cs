using System.IO.Compression;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>Makes pipelines of the older vocabulary files: BERT's vocab.txt, and vocab.json with merges.txt.</summary>
internal static class VocabularyReader
{
    private const string WordEnd = "</w>", ClipStart = "<|startoftext|>", ClipEnd = "<|endoftext|>";

    // Of OpenAI's file its first lines count, as many as make 49,408 tokens with the bytes and both ends.
    private const int OpenAiMerges = 49408 - (2 * 256) - 2, MostCharacters = 1 << 24;

    public static Pipeline ReadWordPiece(string file, TokenizerConfig config)
    {
        Dictionary<string, int> vocabulary = [];
        int count = 0;
        foreach (string line in Lines(file))
        {
            vocabulary[line] = count++;
        }
        bool lowercase = config["do_lower_case"].Flag(true);
        string unknown = config.Token("unk_token") ?? "[UNK]";
        string cls = config.Token("cls_token") ?? "[CLS]";
        string sep = config.Token("sep_token") ?? "[SEP]";
        string[] specials = [unknown, cls, sep, config.Token("pad_token") ?? "[PAD]", config.Token("mask_token") ?? "[MASK]"];
        return new Pipeline
        {
            Vocabulary = vocabulary,
            Model = Located.In(file, () => new WordPieceModel(vocabulary, unknown, "##", 100)),
            UnknownToken = unknown,
            AddedTokens = Added(vocabulary, specials),
            Normalizer = new BertNormalizer(
                true, config["tokenize_chinese_chars"].Flag(true), config["strip_accents"].Flag(lowercase), lowercase),
            PreTokenizer = new BertPreTokenizer(),
            Template = Template.Around(Find(vocabulary, cls, file), Find(vocabulary, sep, file), separators: 1, secondType: 1),
            Decoder = new WordPieceDecoder("##", cleanUp: true),
        };
    }

    public static Pipeline ReadBpe(string vocabularyFile, string mergesFile, TokenizerConfig config)
    {
        Dictionary<string, int> vocabulary = ModelReader.Vocabulary(JsonValue.Read(vocabularyFile));
        bool clip = config.TokenizerClass == "CLIPTokenizer" || config.TokenizerClass.Length == 0 && vocabulary.ContainsKey("a" + WordEnd);
        return Bpe(vocabulary, ReadMerges(Lines(mergesFile), mergesFile, vocabulary), vocabularyFile, clip, config);
    }

    /// <summary>Reads the merges of CLIP's tokenizer as OpenAI keeps them: a compressed file of more than it uses, which says the vocabulary too.</summary>
    public static Pipeline ReadOpenAi(string mergesFile, TokenizerConfig config)
    {
        string[] lines = [.. Located.In(mergesFile, () => UnpackedLines(mergesFile)).Skip(1).Take(OpenAiMerges).Where(line => line.Length > 0)];
        string[] bytes = [.. Enumerable.Range(0, 256).Select(value => ByteAlphabet.Character((byte)value)).Order().Select(character => $"{character}")];
        IEnumerable<string> merged = lines.Select(line => line.Replace(" ", "", StringComparison.Ordinal));
        Dictionary<string, int> vocabulary = [];
        int count = 0;
        foreach (string token in bytes.Concat(bytes.Select(character => character + WordEnd)).Concat(merged).Append(ClipStart).Append(ClipEnd))
        {
            vocabulary[token] = count++;
        }
        return Bpe(vocabulary, ReadMerges(lines, mergesFile, vocabulary), mergesFile, clip: true, config);
    }

    private static Pipeline Bpe(
        Dictionary<string, int> vocabulary, Dictionary<(int Left, int Right), Merge> merges, string vocabularyFile, bool clip, TokenizerConfig config)
    {
        string suffix = clip ? WordEnd : "";
        string? unknown = config.Token("unk_token");
        Unknowns unknowns = new(vocabulary, unknown is not null && vocabulary.TryGetValue(unknown, out int id) ? id : null, false, false);
        BpeParts parts = new(vocabulary, merges, unknowns) { EndOfWordSuffix = suffix };
        ByteLevelPreTokenizer words = new(config["add_prefix_space"].Flag(false), split: true);
        return new Pipeline
        {
            Vocabulary = vocabulary,
            Model = new BpeModel(parts),
            UnknownToken = unknown,
            Normalizer = clip ? ClipNormalizer() : null,
            PreTokenizer = clip ? new PreTokenizerSequence([ClipWords(), words]) : words,
            Bytes = true,
            Template = ChooseTemplate(vocabulary, clip, config, vocabularyFile),
            Decoder = ByteLevelDecoder.WithSuffix(suffix),
        };
    }

    private static IEnumerable<string> Lines(string file)
    {
        using var reader = new StreamReader(new MemoryStream(TokenizerFile.OnDisk(file).Read()));
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }

    // What is beyond all measure for such a file is left.
    private static string[] UnpackedLines(string file)
    {
        using var packed = new MemoryStream(TokenizerFile.OnDisk(file).Read());
        using var reader = new StreamReader(new GZipStream(packed, CompressionMode.Decompress));
        char[] text = new char[MostCharacters];
        return new string(text, 0, reader.ReadBlock(text)).Split('\n', StringSplitOptions.TrimEntries);
    }

    private static Template ChooseTemplate(Dictionary<string, int> vocabulary, bool clip, TokenizerConfig config, string file)
    {
        if (clip)
        {
            string start = config.Token("bos_token") ?? ClipStart;
            string end = config.Token("eos_token") ?? ClipEnd;
            return Template.Around(Find(vocabulary, start, file), Find(vocabulary, end, file), separators: 2, secondType: 0);
        }
        string cls = config.Token("cls_token") ?? "<s>";
        string sep = config.Token("sep_token") ?? "</s>";
        bool roberta = config.TokenizerClass.Length == 0
            ? vocabulary.ContainsKey(cls) && vocabulary.ContainsKey(sep)
            : config.TokenizerClass is "RobertaTokenizer" or "BartTokenizer" or "LongformerTokenizer" or "LEDTokenizer";
        if (roberta)
        {
            return Template.Around(Find(vocabulary, cls, file), Find(vocabulary, sep, file), separators: 2, secondType: 0);
        }
        int? bos = config["add_bos_token"].Flag(false) && config.Token("bos_token") is { } token ? Find(vocabulary, token, file) : null;
        return bos is null ? Template.Plain : Template.Each(bos, null);
    }

    private static Dictionary<(int Left, int Right), Merge> ReadMerges(IEnumerable<string> all, string file, Dictionary<string, int> vocabulary)
    {
        IEnumerable<string> lines = all
            .Where((line, i) => line.Length > 0 && !(i == 0 && line.StartsWith("#version", StringComparison.Ordinal)));
        return Located.In(file, () => MergeTable.Create(lines.Select(ParseMerge), vocabulary, continuingPrefix: ""));
    }

    private static (string Left, string Right) ParseMerge(string line) =>
        MergeTable.Parse(line) ?? throw new InvalidDataException($"'{line}' is not two tokens with a space between them");

    private static NormalizerSequence ClipNormalizer() => new(
    [
        new UnicodeFormNormalizer(System.Text.NormalizationForm.FormC),
        new ReplaceNormalizer(new RegexPattern(@"\s+"), " "),
        new LowercaseNormalizer(),
    ]);

    private static PatternPreTokenizer ClipWords() => new(
        new RegexPattern(@"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"), SplitBehavior.Removed, invert: true);

    private static AddedToken[] Added(Dictionary<string, int> vocabulary, string[] specials) =>
        [.. specials.Distinct().Where(vocabulary.ContainsKey).Select(token => new AddedToken(vocabulary[token], token) { Special = true })];

    private static int Find(Dictionary<string, int> vocabulary, string token, string file) =>
        vocabulary.TryGetValue(token, out int id) ? id : throw new InvalidDataException($"{file}: the token '{token}' is not in the vocabulary");
}
