namespace Microsoft.ML.Peft.Tokenization;

/// <summary>Makes pipelines of the older vocabulary files: BERT's vocab.txt, and vocab.json with merges.txt.</summary>
internal static class VocabularyReader
{
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
        bool clip = config.TokenizerClass == "CLIPTokenizer" || config.TokenizerClass.Length == 0 && vocabulary.ContainsKey("a</w>");
        string suffix = clip ? "</w>" : "";
        string? unknown = config.Token("unk_token");
        Unknowns unknowns = new(vocabulary, unknown is not null && vocabulary.TryGetValue(unknown, out int id) ? id : null, false, false);
        BpeParts parts = new(vocabulary, ReadMerges(mergesFile, vocabulary), unknowns) { EndOfWordSuffix = suffix };
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

    private static Template ChooseTemplate(Dictionary<string, int> vocabulary, bool clip, TokenizerConfig config, string file)
    {
        if (clip)
        {
            string start = config.Token("bos_token") ?? "<|startoftext|>";
            string end = config.Token("eos_token") ?? "<|endoftext|>";
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

    private static Dictionary<(int Left, int Right), Merge> ReadMerges(string file, Dictionary<string, int> vocabulary)
    {
        IEnumerable<string> lines = Lines(file)
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
