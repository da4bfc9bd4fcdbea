using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

internal static class PatternReader
{
    public static IPattern Read(JsonValue pattern)
    {
        if (pattern.IsText)
        {
            return new LiteralPattern(pattern.Text());
        }
        if (!pattern["String"].IsNull)
        {
            return new LiteralPattern(pattern["String"].Text());
        }
        string expression = pattern["Regex"].Text();
        try
        {
            return new RegexPattern(expression);
        }
        catch (ArgumentException)
        {
            throw pattern.Unsupported($"the regular expression '{expression}'");
        }
    }
}

internal static class NormalizerReader
{
    public static INormalizer Read(JsonValue json)
    {
        string type = json["type"].Text();
        return type switch
        {
            "Sequence" => new NormalizerSequence([.. json["normalizers"].Items().Select(Read)]),
            "BertNormalizer" => Bert(json),
            "Lowercase" => new LowercaseNormalizer(),
            "NFC" => new UnicodeFormNormalizer(NormalizationForm.FormC),
            "NFD" => new UnicodeFormNormalizer(NormalizationForm.FormD),
            "NFKC" => new UnicodeFormNormalizer(NormalizationForm.FormKC),
            "NFKD" => new UnicodeFormNormalizer(NormalizationForm.FormKD),
            "StripAccents" => new RemovingNormalizer(Characters.IsMark),
            "Strip" => new StripNormalizer(json["strip_left"].Flag(true), json["strip_right"].Flag(true)),
            "Replace" => new ReplaceNormalizer(PatternReader.Read(json["pattern"]), json["content"].Text()),
            "Prepend" => new PrependNormalizer(json["prepend"].Text()),
            "Precompiled" => json.Build(() => new PrecompiledNormalizer(json["precompiled_charsmap"].Base64())),
            _ => throw json.Unsupported($"the normalizer '{type}'"),
        };
    }

    private static BertNormalizer Bert(JsonValue json)
    {
        bool lowercase = json["lowercase"].Flag(true);
        return new BertNormalizer(
            json["clean_text"].Flag(true),
            json["handle_chinese_chars"].Flag(true),
            json["strip_accents"].Flag(lowercase),
            lowercase);
    }
}

internal static class PreTokenizerReader
{
    public static IPreTokenizer Read(JsonValue json)
    {
        string type = json["type"].Text();
        return type switch
        {
            "Sequence" => new PreTokenizerSequence([.. json["pretokenizers"].Items().Select(Read)]),
            "BertPreTokenizer" => new BertPreTokenizer(),
            "ByteLevel" => new ByteLevelPreTokenizer(json["add_prefix_space"].Flag(true), json["use_regex"].Flag(true)),
            "Whitespace" => new WhitespacePreTokenizer(),
            "WhitespaceSplit" => new RunePreTokenizer(Rune.IsWhiteSpace, SplitBehavior.Removed),
            "Split" => new PatternPreTokenizer(PatternReader.Read(json["pattern"]), Behavior(json["behavior"]), json["invert"].Flag(false)),
            "Punctuation" => new RunePreTokenizer(Characters.IsPunctuation, Behavior(json["behavior"])),
            "Digits" => new RunePreTokenizer(
                Rune.IsNumber, json["individual_digits"].Flag(false) ? SplitBehavior.Isolated : SplitBehavior.Contiguous),
            "Metaspace" => Metaspace(json),
            _ => throw json.Unsupported($"the pre-tokenizer '{type}'"),
        };
    }

    public static bool UsesBytes(JsonValue json) => !json.IsNull
        && (json["type"].Text() == "ByteLevel" || json["type"].Text() == "Sequence" && json["pretokenizers"].Items().Any(UsesBytes));

    private static MetaspacePreTokenizer Metaspace(JsonValue json)
    {
        string scheme = MetaspaceScheme(json);
        return new MetaspacePreTokenizer(
            json["replacement"].Character(Characters.WordMark), scheme == "always", scheme == "first", json["split"].Flag(true));
    }

    /// <summary>Older files have a flag where newer ones have a scheme.</summary>
    public static string MetaspaceScheme(JsonValue json)
    {
        string scheme = json["prepend_scheme"].Text(json["add_prefix_space"].Flag(true) ? "always" : "never");
        return scheme is "always" or "first" or "never" ? scheme : throw json.Invalid($"unknown prepend_scheme '{scheme}'");
    }

    private static SplitBehavior Behavior(JsonValue json)
    {
        string name = json.Text(nameof(SplitBehavior.Isolated));
        return Enum.TryParse(name, out SplitBehavior behavior) && Enum.IsDefined(behavior)
            ? behavior
            : throw json.Invalid($"unknown behavior '{name}'");
    }
}

internal static class DecoderReader
{
    public static IDecoder Read(JsonValue json)
    {
        string type = json["type"].Text();
        return type switch
        {
            "Sequence" => new DecoderSequence([.. json["decoders"].Items().Select(Read)]),
            "WordPiece" => new WordPieceDecoder(json["prefix"].Text("##"), json["cleanup"].Flag(true)),
            "ByteLevel" => new ByteLevelDecoder(),
            "Metaspace" => new MetaspaceDecoder(
                json["replacement"].Character(Characters.WordMark), PreTokenizerReader.MetaspaceScheme(json) != "never"),
            "BPEDecoder" => new EndOfWordDecoder(json["suffix"].Text("</w>")),
            "Replace" => new ReplaceDecoder(PatternReader.Read(json["pattern"]), json["content"].Text()),
            "ByteFallback" => new ByteFallbackDecoder(),
            "Fuse" => new FuseDecoder(),
            "Strip" => new StripDecoder(json["content"].Character(' '), json["start"].Number(0), json["stop"].Number(0)),
            _ => throw json.Unsupported($"the decoder '{type}'"),
        };
    }
}
