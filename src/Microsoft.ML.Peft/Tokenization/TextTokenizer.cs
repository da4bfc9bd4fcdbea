using Microsoft.ML.Peft.Tokenization.ChatTemplates;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>
/// The tokenizer of a Hugging Face folder. All file formats are read into one pipeline: added tokens, normaliser with an alignment to the
/// original text, pre-tokenizer, model, template. Safe for use by several threads.
/// </summary>
internal sealed class TextTokenizer
{
    public static readonly IReadOnlyList<string> RoleNames =
        ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    private readonly Pipeline _pipeline;
    private readonly PieceEncoder _encoder;
    private readonly AddedTokenMatcher _rawMatcher;
    private readonly AddedTokenMatcher _normalizedMatcher;
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<int, string> _tokens = [];
    private readonly HashSet<int> _special;
    private readonly Dictionary<string, int?> _roles;
    private readonly Lazy<ChatTemplate?> _chatTemplate;
    private readonly Template _template;

    internal TextTokenizer(Pipeline pipeline, TokenizerConfig config, IReadOnlyList<TokenizerFile> files)
    {
        _pipeline = pipeline;
        _encoder = new PieceEncoder(pipeline.Model, pipeline.Bytes);
        AddedTokens = AddedTokenTable.Of(pipeline, config);
        AddedToken[] matched = [.. AddedTokens.Where(token => token.Matched)];
        _rawMatcher = new AddedTokenMatcher(matched.Where(token => !token.Normalized), content => content);
        // SentencePiece's blank stands before texts, not before tokens; a tokenizer.json says so itself where one does.
        _normalizedMatcher = new AddedTokenMatcher(
            matched.Where(token => token.Normalized), content => Normalize(new AlignedText(content, continues: !pipeline.NumbersAddedTokens)).Text);
        _ids = new Dictionary<string, int>(pipeline.Vocabulary);
        foreach (AddedToken token in AddedTokens)
        {
            _ids[token.Content] = token.Id;
        }
        foreach ((string token, int id) in _ids)
        {
            _tokens[id] = token;
        }
        _special = [.. AddedTokens.Where(token => token.Special).Select(token => token.Id)];
        _roles = RoleNames.ToDictionary(role => role, role => FindRole(role, config));
        foreach ((string role, string token) in UsualTokens.Find(pipeline, config, _ids.ContainsKey))
        {
            _roles[role] = _ids[token];
        }
        VocabularySize = _tokens.Count == 0 ? 0 : (int)Math.Min(int.MaxValue, _tokens.Keys.Max() + 1L);
        ModelMaxLength = config.ModelMaxLength;
        _chatTemplate = new Lazy<ChatTemplate?>(() => ChatTemplateFolder.Of(config, role => _roles[role] is { } id ? TokenOf(id) : null));
        Files = files;
        _template = BlankTokens.TemplateOf(this, pipeline.Template, config.TokenizerClass);
    }

    /// <summary>The files that define the tokenizer; loading a folder with copies of them gives the same one.</summary>
    public IReadOnlyList<TokenizerFile> Files { get; }

    /// <summary>Tokens that are found in text before it is cut, and those that only the template writes.</summary>
    public IReadOnlyList<AddedToken> AddedTokens { get; }

    public int? PadId => _roles["pad_token"];

    public int? MaskId => _roles["mask_token"];

    public int? ClsId => _roles["cls_token"];

    public int? SepId => _roles["sep_token"];

    public int? UnkId => _roles["unk_token"];

    public int? BosId => _roles["bos_token"];

    public int? EosId => _roles["eos_token"];

    /// <summary>The ids of all tokens.</summary>
    public IReadOnlyCollection<int> Ids => _tokens.Keys;

    /// <summary>One more than the largest id: the rows that a token table needs.</summary>
    public int VocabularySize { get; }

    /// <summary>The length that tokenizer_config.json names, <see cref="int.MaxValue"/> if it names none worth the name.</summary>
    public int ModelMaxLength { get; }

    /// <summary>How the model was taught to read chats; null where nothing says so.</summary>
    /// <exception cref="ChatTemplateException">The template is malformed.</exception>
    public ChatTemplate? ChatTemplate => _chatTemplate.Value;

    /// <param name="folder">The model's folder, or a .gguf file.</param>
    public static TextTokenizer Load(string folder) => TokenizerFolder.Load(folder);

    public bool IsSpecial(int id) => _special.Contains(id);

    /// <summary>True if the token stands for one byte of a character, so that its text depends on the tokens beside it.</summary>
    public bool IsByte(int id) => TokenOf(id) is { } token && ByteFallbackDecoder.TryByte(token, out _);

    public int? IdOf(string token) => _ids.TryGetValue(token, out int id) ? id : null;

    public string? TokenOf(int id) => _tokens.GetValueOrDefault(id);

    public Encoding Encode(string text, string? pair = null, int maxLength = int.MaxValue, bool addSpecialTokens = true)
    {
        List<PlacedToken> first = Tokenize(text);
        List<PlacedToken>? second = pair is null ? null : Tokenize(pair);
        return (addSpecialTokens ? _template : Template.Plain).Apply(first, second, maxLength);
    }

    /// <summary>A pair whose second text is cut into windows where the two are longer than a row may be; the first stands in each.</summary>
    /// <param name="text">The first text.</param>
    /// <param name="pair">The second.</param>
    /// <param name="maxLength">Tokens of a row at most.</param>
    /// <param name="shared">Tokens that a window shares with the one before it.</param>
    public PairWindows EncodeWindows(string text, string pair, int maxLength, int shared)
    {
        List<PlacedToken> first = Tokenize(text), second = Tokenize(pair);
        int room = maxLength - _template.Pair.Count(part => !part.IsText) - first.Count;
        if (room < Math.Min(second.Count, shared + 1))
            return new(first.Count, room, []);
        var windows = new List<Encoding>();
        for (int start = 0; ; start += room - shared)
        {
            int count = Math.Min(room, second.Count - start);
            windows.Add(_template.Apply(first, second.GetRange(start, count), int.MaxValue));
            if (start + count == second.Count)
                return new(first.Count, room, windows);
        }
    }

    /// <summary>The tokens of a text that a model is to go on with: special tokens before it, none behind it.</summary>
    public int[] EncodePrompt(string text) => _template.Opening.Apply(Tokenize(text), null, int.MaxValue).Ids;

    /// <summary>The tokens with which a model that has read one text goes on to another.</summary>
    /// <param name="before">What it has read, with the tokens that it has alone.</param>
    /// <param name="text">What follows.</param>
    public Continuation EncodeAfter(string before, string text)
    {
        List<PlacedToken> read = Tokenize(before), whole = Tokenize(before + text);
        if (whole.Count >= read.Count && read.Select(token => token.Id).SequenceEqual(whole.Take(read.Count).Select(token => token.Id)))
        {
            PlacedToken[] rest = [.. whole.Skip(read.Count)];
            return new(Array.ConvertAll(rest, token => token.Id), Array.ConvertAll(rest, token => token.Start - before.Length), false);
        }
        List<PlacedToken> own = Tokenize(text, continues: true);
        return new([.. own.Select(token => token.Id)], [.. own.Select(token => token.Start)], true);
    }

    /// <summary>The tokens of a part of a text, and no special ones.</summary>
    /// <param name="text">The part.</param>
    /// <param name="continues">Whether others stand before it.</param>
    public int[] EncodePart(string text, bool continues) => text.Length == 0 ? [] : [.. Tokenize(text, continues).Select(token => token.Id)];

    /// <summary>The special tokens around a text: those before and those behind it.</summary>
    public (int[] Before, int[] Behind) Marks
    {
        get
        {
            int[] before = EncodePrompt("");
            return (before, Encode("").Ids[before.Length..]);
        }
    }

    /// <summary>Encodes words cut before: each token knows the index of its word, and its offsets are those within the word.</summary>
    public Encoding EncodeWords(IReadOnlyList<string> words, int maxLength = int.MaxValue)
    {
        List<PlacedToken> tokens = [];
        for (int i = 0; i < words.Count; i++)
        {
            // A byte-level vocabulary tells words from parts of words by the space before them.
            string prefix = _pipeline.Bytes && words[i] is { Length: > 0 } word && word[0] != ' ' ? " " : "";
            foreach (PlacedToken token in Tokenize(prefix + words[i]))
            {
                int start = Math.Max(0, token.Start - prefix.Length);
                tokens.Add(new PlacedToken(token.Id, start, Math.Max(start, token.End - prefix.Length), i));
            }
        }
        return _template.Apply(tokens, null, maxLength);
    }

    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true)
    {
        List<string> tokens = new(ids.Length);
        foreach (int id in ids)
        {
            if (!(skipSpecialTokens && IsSpecial(id)) && TokenOf(id) is { } token)
            {
                tokens.Add(_pipeline.UnknownSurface is { } surface && id == UnkId ? surface : token);
            }
        }
        return _pipeline.Decoder is { } decoder ? string.Concat(decoder.Decode(tokens)) : string.Join(' ', tokens);
    }

    private List<PlacedToken> Tokenize(string text, bool continues = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        text = Characters.WithoutLoneSurrogates(text);
        TokenBuffer buffer = new(text);
        foreach (TextSegment segment in _rawMatcher.Split(text))
        {
            if (segment.Id >= 0)
            {
                buffer.Add(segment.Id, segment.Start, segment.End);
                buffer.Word++;
            }
            else
            {
                AddNormalized(Normalize(new AlignedText(text[segment.Start..segment.End], segment.Start, continues && segment.Start == 0)), buffer);
            }
        }
        return buffer.Tokens;
    }

    private AlignedText Normalize(AlignedText text) => _pipeline.Normalizer?.Apply(text) ?? text;

    private void AddNormalized(AlignedText text, TokenBuffer buffer)
    {
        foreach (TextSegment segment in _normalizedMatcher.Split(text.Text))
        {
            if (segment.Id >= 0)
            {
                buffer.Add(segment.Id, text.StartOf(segment.Start), text.EndOf(segment.End - 1));
                buffer.Word++;
            }
            else
            {
                AddPieces(text.Slice(segment.Start, segment.End), buffer);
            }
        }
    }

    private void AddPieces(AlignedText text, TokenBuffer buffer)
    {
        Pieces pieces = new(text);
        _pipeline.PreTokenizer?.Apply(pieces);
        foreach (Range range in pieces.Ranges)
        {
            buffer.Scratch.Clear();
            _encoder.Encode(pieces.Text.Text.AsSpan(range), buffer.Scratch, pieces.Text.Continues && range.Start.Value == 0);
            buffer.AddScratch(pieces.Text, range.Start.Value);
            buffer.Word++;
        }
    }

    private int? FindRole(string role, TokenizerConfig config)
    {
        if (config.Says(role))
        {
            return config.Token(role) is { } name ? IdOf(name) : null;
        }
        if (_pipeline.Roles.TryGetValue(role, out int id))
        {
            return id;
        }
        return role == "unk_token" && _pipeline.UnknownToken is { } unknown ? IdOf(unknown) : null;
    }
}
