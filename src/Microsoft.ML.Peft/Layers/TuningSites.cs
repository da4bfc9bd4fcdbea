namespace Microsoft.ML.Peft.Layers;

/// <summary>The places of a model where tuners attach, in the order in which the model built them.</summary>
internal sealed class TuningSites
{
    private readonly List<Projection> _projections = [];
    private readonly List<TokenEmbedding> _embeddings = [];
    private readonly List<AttentionSite> _attentions = [];
    private readonly List<NormSite> _norms = [];
    private readonly List<Sublayer> _sublayers = [];
    private readonly List<InputSite> _inputs = [];
    private readonly List<TokenEmbedding> _tokenTables = [];
    private readonly List<VocabularyOutput> _outputs = [];

    public IReadOnlyList<Projection> Projections => _projections;

    public IReadOnlyList<TokenEmbedding> Embeddings => _embeddings;

    public IReadOnlyList<AttentionSite> Attentions => _attentions;

    public IReadOnlyList<NormSite> Norms => _norms;

    public IReadOnlyList<Sublayer> Sublayers => _sublayers;

    public IReadOnlyList<InputSite> Inputs => _inputs;

    /// <summary>The tables of the tokens that the model reads: one, or one for each of its parts.</summary>
    public IReadOnlyList<TokenEmbedding> TokenTables => _tokenTables;

    /// <summary>The projections onto a vocabulary.</summary>
    public IReadOnlyList<VocabularyOutput> Outputs => _outputs;

    /// <summary>The table of the tokens that the model reads; null where it has none.</summary>
    /// <exception cref="NotSupportedException">It has several: who asks does not say which.</exception>
    public TokenEmbedding? Tokens => Only(_tokenTables, table => table.Path);

    /// <summary>The projection onto the vocabulary; null where the model has none.</summary>
    /// <exception cref="NotSupportedException">It has several: who asks does not say which.</exception>
    public VocabularyOutput? Output => Only(_outputs, output => output.Path);

    /// <summary>Whether <see cref="Output"/> multiplies by its table.</summary>
    public bool TiesOutput => Output is { IsTied: true };

    /// <summary>Positions that tuners take in a call beside those of the rows' own tokens: the most of any row.</summary>
    public int AddedPositions(ForwardContext context)
    {
        IEnumerable<ForwardContext> calls = context.Rows is { } rows ? rows.Groups.Select(group => group.Context) : [context];
        return calls.Max(call => Most(_inputs.Select(site => site.TunerOf(call)?.Count)) + Most(_attentions.Select(site => site.PrefixOf(call)?.Count)));

        static int Most(IEnumerable<int?> counts) => counts.Max() ?? 0;
    }

    /// <summary>Those whose paths meet a condition, in the same order.</summary>
    public TuningSites Where(Func<string, bool> holds)
    {
        var part = new TuningSites();
        part._projections.AddRange(_projections.Where(site => holds(site.Path)));
        part._embeddings.AddRange(_embeddings.Where(site => holds(site.Path)));
        part._attentions.AddRange(_attentions.Where(site => holds(site.Path)));
        part._norms.AddRange(_norms.Where(site => holds(site.Path)));
        part._sublayers.AddRange(_sublayers.Where(site => holds(site.Path)));
        part._inputs.AddRange(_inputs.Where(site => holds(site.Tokens.Path)));
        part._tokenTables.AddRange(_tokenTables.Where(site => holds(site.Path)));
        part._outputs.AddRange(_outputs.Where(site => holds(site.Path)));
        return part;
    }

    public void Add(Projection projection) => _projections.Add(projection);

    public void Add(TokenEmbedding embedding) => _embeddings.Add(embedding);

    public void Add(AttentionSite attention) => _attentions.Add(attention);

    public void Add(NormSite norm) => _norms.Add(norm);

    public void Add(Sublayer sublayer) => _sublayers.Add(sublayer);

    public void Add(InputSite input) => _inputs.Add(input);

    public void AddTokens(TokenEmbedding table) => _tokenTables.Add(table);

    /// <summary>Says that a projection writes the tokens of a table. A head that is made again takes its own place.</summary>
    public void AddOutput(Projection projection, TokenEmbedding table)
    {
        _outputs.RemoveAll(output => output.Path == projection.Path);
        _outputs.Add(new VocabularyOutput(projection, table));
    }

    private static T? Only<T>(List<T> all, Func<T, string> path)
        where T : class => all.Count <= 1 ? all.FirstOrDefault() : throw new NotSupportedException(
            $"The model has more than one vocabulary ({string.Join(", ", all.Select(path))}): name the module.");
}

/// <summary>A projection onto a vocabulary.</summary>
/// <param name="Projection">The projection.</param>
/// <param name="Table">The table of the tokens that it writes.</param>
internal sealed record VocabularyOutput(Projection Projection, TokenEmbedding Table)
{
    public string Path => Projection.Path;

    /// <summary>Whether it multiplies by the table.</summary>
    public bool IsTied => ReferenceEquals(Projection.Weight, Table.Weight);
}
