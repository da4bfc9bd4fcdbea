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

    public IReadOnlyList<Projection> Projections => _projections;

    public IReadOnlyList<TokenEmbedding> Embeddings => _embeddings;

    public IReadOnlyList<AttentionSite> Attentions => _attentions;

    public IReadOnlyList<NormSite> Norms => _norms;

    public IReadOnlyList<Sublayer> Sublayers => _sublayers;

    public IReadOnlyList<InputSite> Inputs => _inputs;

    /// <summary>The table of the tokens that the model reads.</summary>
    public TokenEmbedding? Tokens { get; set; }

    /// <summary>The projection onto the vocabulary; null where the model has none.</summary>
    public Projection? Output { get; set; }

    /// <summary>Whether <see cref="Output"/> multiplies by the table of <see cref="Tokens"/>.</summary>
    public bool TiesOutput => Output is not null && ReferenceEquals(Output.Weight, Tokens?.Weight);

    public void Add(Projection projection) => _projections.Add(projection);

    public void Add(TokenEmbedding embedding) => _embeddings.Add(embedding);

    public void Add(AttentionSite attention) => _attentions.Add(attention);

    public void Add(NormSite norm) => _norms.Add(norm);

    public void Add(Sublayer sublayer) => _sublayers.Add(sublayer);

    public void Add(InputSite input) => _inputs.Add(input);
}
