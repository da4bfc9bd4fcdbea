using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>
/// Makes a pipeline of a SentencePiece model. Microsoft.ML.Tokenizers reads these files, but its unigram model needs a start token
/// and its offsets refer to normalised text.
/// </summary>
internal static class SentencePieceReader
{
    private const string Siglip = "SiglipTokenizer";

    public static Pipeline Read(TokenizerFile file, TokenizerConfig config)
    {
        SentencePieceModel model = SentencePieceModel.Read(file);
        Dictionary<string, int> vocabulary = [];
        for (int id = 0; id < model.Pieces.Count; id++)
        {
            vocabulary.TryAdd(model.Pieces[id].Text, id);
        }
        Unknowns unknowns = new(vocabulary, model.UnknownId, fuse: true, model.ByteFallback);
        return new Pipeline
        {
            Vocabulary = vocabulary,
            Model = model.IsUnigram ? Unigram(model, unknowns) : Bpe(model, vocabulary, unknowns),
            Normalizer = Normalizer(model, file.Description, config),
            AddedTokens = [.. Specials(model), .. Sentinels(model, config)],
            Template = ChooseTemplate(model, vocabulary, config),
            Decoder = Decoder(model),
            UnknownToken = model.Pieces[model.UnknownId].Text,
            UnknownSurface = model.UnknownSurface,
            Roles = Roles(model),
        };
    }

    private static bool IsMatched(SentencePiece piece) => piece.Type is PieceType.Normal or PieceType.UserDefined;

    private static UnigramModel Unigram(SentencePieceModel model, Unknowns unknowns) =>
        new([.. model.Pieces.Select(piece => (piece.Text, (double)piece.Score))], id => IsMatched(model.Pieces[id]), unknowns);

    private static BpeModel Bpe(SentencePieceModel model, Dictionary<string, int> vocabulary, Unknowns unknowns)
    {
        Dictionary<string, int> matched = [];
        foreach ((string text, int id) in vocabulary)
        {
            if (IsMatched(model.Pieces[id]))
            {
                matched[text] = id;
            }
        }
        return new BpeModel(new BpeParts(matched, Merges(model, matched), unknowns));
    }

    /// <summary>Any two pieces whose concatenation is a piece merge, the best score first.</summary>
    private static Dictionary<(int Left, int Right), Merge> Merges(SentencePieceModel model, Dictionary<string, int> matched)
    {
        Dictionary<float, int> ranks = [];
        foreach (float score in matched.Values.Select(id => model.Pieces[id].Score).Distinct().OrderDescending())
        {
            ranks[score] = ranks.Count;
        }
        Dictionary<(int Left, int Right), Merge> merges = [];
        foreach ((string text, int id) in matched)
        {
            // A piece of absurd length has no place in a vocabulary, and trying all its cuts would be quadratic.
            for (int cut = 1; cut < text.Length && text.Length <= 256; cut++)
            {
                if (matched.TryGetValue(text[..cut], out int left) && matched.TryGetValue(text[cut..], out int right))
                {
                    merges[(left, right)] = new Merge(ranks[model.Pieces[id].Score], id);
                }
            }
        }
        return merges;
    }

    private static NormalizerSequence Normalizer(SentencePieceModel model, string file, TokenizerConfig config)
    {
        bool siglip = config.TokenizerClass == Siglip;
        SentencePieceSpaces spaces = new(model.RemoveExtraSpaces, model.AddDummyPrefix || siglip, model.EscapeSpaces)
        {
            PrefixesEverySegment = config["legacy"].Flag(config.Files.Count > 0),
        };
        IEnumerable<INormalizer> map = model.CharacterMap.Length == 0
            ? [] : [Located.In($"{file}: normalizer_spec", () => new PrecompiledNormalizer(model.CharacterMap))];
        return new([.. siglip ? SiglipNormalizers(config) : [], .. map, spaces]);
    }

    // Texts go in small letters and without ASCII's punctuation.
    private static IEnumerable<INormalizer> SiglipNormalizers(TokenizerConfig config)
    {
        if (config["do_lower_case"].Flag(true))
        {
            yield return new LowercaseNormalizer();
        }
        yield return new RemovingNormalizer(rune => rune.IsAscii && (Rune.IsPunctuation(rune) || Rune.IsSymbol(rune)));
        yield return new ReplaceNormalizer(new RegexPattern(@"\s+"), " ");
        yield return new StripNormalizer(left: true, right: true);
    }

    // Control pieces never match text in SentencePiece; in Hugging Face's tokenizers those do that the configuration names.
    private static IEnumerable<AddedToken> Specials(SentencePieceModel model)
    {
        for (int id = 0; id < model.Pieces.Count; id++)
        {
            SentencePiece piece = model.Pieces[id];
            if (piece.Type is PieceType.Control or PieceType.UserDefined && piece.Text.Length > 0)
            {
                bool control = piece.Type == PieceType.Control;
                yield return new AddedToken(id, piece.Text) { Special = control, Matched = !control };
            }
        }
    }

    // T5's model files end before the sentinels, which its tokenizer adds from the last to the first.
    private static IEnumerable<AddedToken> Sentinels(SentencePieceModel model, TokenizerConfig config)
    {
        JsonValue extra = config["extra_ids"];
        int count = config.TokenizerClass == "T5Tokenizer" ? extra.Number(100) : 0;
        return count is >= 0 and <= 10_000
            ? Enumerable.Range(0, count).Select(i => new AddedToken(model.Pieces.Count + i, $"<extra_id_{count - 1 - i}>")
            {
                Special = true,
                StripLeft = true,
                StripRight = true,
            })
            : throw extra.Invalid("expected 0 to 10000");
    }

    private static DecoderSequence Decoder(SentencePieceModel model)
    {
        IDecoder[] common = [new ReplaceDecoder(new LiteralPattern(Characters.WordMark.ToString()), " "), new ByteFallbackDecoder(), new FuseDecoder()];
        return new(model.AddDummyPrefix ? [.. common, new StripDecoder(' ', 1, 0)] : common);
    }

    private static Dictionary<string, int> Roles(SentencePieceModel model)
    {
        (string Role, int Id)[] roles =
        [
            ("bos_token", model.BosId), ("eos_token", model.EosId), ("pad_token", model.PadId), ("unk_token", model.UnknownId),
        ];
        return roles.Where(role => role.Id >= 0 && role.Id < model.Pieces.Count).ToDictionary(role => role.Role, role => role.Id);
    }

    private static Template ChooseTemplate(SentencePieceModel model, Dictionary<string, int> vocabulary, TokenizerConfig config)
    {
        if (config.TokenizerClass is "XLMRobertaTokenizer" or "CamembertTokenizer" or "MBartTokenizer" or "BarthezTokenizer")
        {
            throw config["tokenizer_class"].Unsupported($"{config.TokenizerClass} without a tokenizer.json, as it renumbers the model's pieces,");
        }
        Dictionary<string, int> roles = Roles(model);
        int? bos = roles.TryGetValue("bos_token", out int start) ? start : null;
        int? eos = roles.TryGetValue("eos_token", out int end) ? end : null;
        if (config.TokenizerClass == Siglip)
        {
            return Template.Each(null, eos);
        }
        if (config.Token("cls_token") is { } cls && config.Token("sep_token") is { } sep
            && vocabulary.TryGetValue(cls, out int clsId) && vocabulary.TryGetValue(sep, out int sepId))
        {
            return Template.Around(clsId, sepId, separators: 1, secondType: 1);
        }
        // Models with a start token begin with it, as LLaMA's; those without end their texts instead, as T5's.
        bool addBos = config["add_bos_token"].Flag(bos is not null);
        bool addEos = config["add_eos_token"].Flag(bos is null);
        return Template.Each(addBos ? bos : null, addEos ? eos : null);
    }
}
