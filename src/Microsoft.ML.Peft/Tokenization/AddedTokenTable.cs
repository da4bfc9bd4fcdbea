namespace Microsoft.ML.Peft.Tokenization;

/// <summary>
/// All added tokens of a tokenizer by their texts: those of its main file, and those that the configuration beside it names, which get
/// the ids that transformers gives them.
/// </summary>
internal sealed class AddedTokenTable
{
    private readonly IReadOnlyDictionary<string, int> _vocabulary;
    private readonly Dictionary<string, AddedToken> _tokens = [];
    private readonly HashSet<int> _taken;

    private AddedTokenTable(Pipeline pipeline)
    {
        _vocabulary = pipeline.Vocabulary;
        foreach (AddedToken token in pipeline.AddedTokens.Where(token => token.Content.Length > 0))
        {
            _tokens.TryAdd(token.Content, token);
        }
        _taken = [.. _vocabulary.Values, .. _tokens.Values.Select(token => token.Id)];
    }

    public static IReadOnlyList<AddedToken> Of(Pipeline pipeline, TokenizerConfig config)
    {
        AddedTokenTable table = new(pipeline);
        foreach (AddedToken token in config.AddedTokens().OrderBy(token => token.Id))
        {
            // Beside a tokenizer.json transformers takes the tokens and leaves the numbers.
            table.Add(token, pipeline.NumbersAddedTokens ? null : token.Id);
        }
        foreach (AddedToken token in config.SpecialTokens())
        {
            table.AddSpecial(token);
        }
        // A tokenizer.json itself says which tokens are special.
        if (!pipeline.NumbersAddedTokens)
        {
            foreach ((_, string token) in UsualTokens.Find(pipeline, config, table.Has))
            {
                table.AddSpecial(new AddedToken(-1, token) { Special = true });
            }
        }
        return [.. table._tokens.Values];
    }

    private bool Has(string token) => _tokens.ContainsKey(token) || _vocabulary.ContainsKey(token);

    private void AddSpecial(AddedToken token)
    {
        if (_tokens.TryGetValue(token.Content, out AddedToken? known))
        {
            _tokens[token.Content] = known with { Special = true, Matched = true };
        }
        else
        {
            Add(token, null);
        }
    }

    // A token that is known keeps its id, whatever the configuration says of it.
    private void Add(AddedToken token, int? wanted)
    {
        AddedToken? known = _tokens.GetValueOrDefault(token.Content);
        int id = known?.Id ?? (_vocabulary.TryGetValue(token.Content, out int own) ? own : wanted ?? Next());
        _tokens[token.Content] = token with { Id = id, Special = token.Special || known is { Special: true } };
        _taken.Add(id);
    }

    private int Next() => _taken.Count == 0 ? 0 : _taken.Max() + 1;
}
