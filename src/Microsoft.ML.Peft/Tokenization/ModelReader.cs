namespace Microsoft.ML.Peft.Tokenization;

internal sealed record ModelParts(IReadOnlyDictionary<string, int> Vocabulary, ITokenModel Model, string? UnknownToken)
{
    public string EndOfWordSuffix { get; init; } = "";
}

/// <summary>Reads the model of a tokenizer.json.</summary>
internal static class ModelReader
{
    public static ModelParts Read(JsonValue json)
    {
        string type = json["type"].Text(GuessType(json));
        return type switch
        {
            "WordPiece" => WordPiece(json),
            "BPE" => Bpe(json),
            "Unigram" => Unigram(json),
            _ => throw json.Unsupported($"the model '{type}'"),
        };
    }

    public static Dictionary<string, int> Vocabulary(JsonValue json)
    {
        Dictionary<string, int> vocabulary = [];
        foreach ((string token, JsonValue id) in json.Properties())
        {
            vocabulary[token] = id.Id();
        }
        return vocabulary;
    }

    // Early files do not name the type of their model.
    private static string GuessType(JsonValue json) =>
        !json["merges"].IsNull ? "BPE" : !json["unk_id"].IsNull ? "Unigram" : "WordPiece";

    private static ModelParts WordPiece(JsonValue json)
    {
        Dictionary<string, int> vocabulary = Vocabulary(json["vocab"]);
        string unknown = json["unk_token"].Text("[UNK]");
        string prefix = json["continuing_subword_prefix"].Text("##");
        int longest = json["max_input_chars_per_word"].Number(100);
        return new(vocabulary, json.Build(() => new WordPieceModel(vocabulary, unknown, prefix, longest)), unknown);
    }

    private static ModelParts Bpe(JsonValue json)
    {
        Dictionary<string, int> vocabulary = Vocabulary(json["vocab"]);
        string? unknown = json["unk_token"].IsNull ? null : json["unk_token"].Text();
        string prefix = json["continuing_subword_prefix"].Text("");
        string suffix = json["end_of_word_suffix"].Text("");
        Unknowns unknowns = new(
            vocabulary,
            unknown is not null && vocabulary.TryGetValue(unknown, out int id) ? id : null,
            json["fuse_unk"].Flag(false),
            json["byte_fallback"].Flag(false));
        IEnumerable<(string, string)> pairs = json["merges"].Items().Select(MergePair);
        BpeParts parts = new(vocabulary, json["merges"].Build(() => MergeTable.Create(pairs, vocabulary, prefix)), unknowns)
        {
            ContinuingPrefix = prefix,
            EndOfWordSuffix = suffix,
            IgnoreMerges = json["ignore_merges"].Flag(false),
        };
        return new(vocabulary, new BpeModel(parts), unknown) { EndOfWordSuffix = suffix };
    }

    private static (string Left, string Right) MergePair(JsonValue json)
    {
        if (json.IsText)
        {
            return MergeTable.Parse(json.Text()) ?? throw json.Invalid("expected two tokens with a space between them");
        }
        return json.Items().ToArray() is [JsonValue left, JsonValue right]
            ? (left.Text(), right.Text())
            : throw json.Invalid("expected two tokens");
    }

    private static ModelParts Unigram(JsonValue json)
    {
        List<(string Piece, double Score)> pieces = [.. json["vocab"].Items().Select(ScoredPiece)];
        Dictionary<string, int> vocabulary = [];
        for (int id = 0; id < pieces.Count; id++)
        {
            vocabulary[pieces[id].Piece] = id;
        }
        JsonValue unknownId = json["unk_id"];
        int? unknown = unknownId.IsNull ? null : unknownId.Id();
        if (unknown >= pieces.Count)
        {
            throw unknownId.Invalid("is not in the vocabulary");
        }
        Unknowns unknowns = new(vocabulary, unknown, fuse: true, json["byte_fallback"].Flag(false));
        UnigramModel model = new(pieces, _ => true, unknowns);
        return new(vocabulary, model, unknown is { } id2 ? pieces[id2].Piece : null);
    }

    private static (string Piece, double Score) ScoredPiece(JsonValue json) =>
        json.Items().ToArray() is [JsonValue piece, JsonValue score]
            ? (piece.Text(), score.Real())
            : throw json.Invalid("expected a piece and its score");
}

internal static class MergeTable
{
    public static Dictionary<(int Left, int Right), Merge> Create(
        IEnumerable<(string Left, string Right)> pairs, IReadOnlyDictionary<string, int> vocabulary, string continuingPrefix)
    {
        Dictionary<(int Left, int Right), Merge> merges = [];
        int rank = 0;
        foreach ((string left, string right) in pairs)
        {
            string rest = right.StartsWith(continuingPrefix, StringComparison.Ordinal) ? right[continuingPrefix.Length..] : right;
            (int, int) key = (Find(left, vocabulary), Find(right, vocabulary));
            merges[key] = new Merge(rank++, Find(left + rest, vocabulary));
        }
        return merges;
    }

    public static (string Left, string Right)? Parse(string line) =>
        line.Split(' ') is [string left, string right] ? (left, right) : null;

    private static int Find(string token, IReadOnlyDictionary<string, int> vocabulary) =>
        vocabulary.TryGetValue(token, out int id) ? id : throw new InvalidDataException($"the merged token '{token}' is not in the vocabulary");
}
