namespace Microsoft.ML.Peft.Layers;

/// <summary>The places of a model where tuners attach, in the order in which the model built them.</summary>
internal sealed class TuningSites
{
    private readonly List<Projection> _projections = [];
    private readonly List<TokenEmbedding> _embeddings = [];

    public IReadOnlyList<Projection> Projections => _projections;

    public IReadOnlyList<TokenEmbedding> Embeddings => _embeddings;

    /// <summary>The table of the tokens that the model reads.</summary>
    public TokenEmbedding? Tokens { get; set; }

    /// <summary>The projection onto the vocabulary; null where the model has none.</summary>
    public Projection? Output { get; set; }

    /// <summary>Whether <see cref="Output"/> multiplies by the table of <see cref="Tokens"/>.</summary>
    public bool TiesOutput => Output is not null && ReferenceEquals(Output.Weight, Tokens?.Weight);

    public void Add(Projection projection) => _projections.Add(projection);

    public void Add(TokenEmbedding embedding) => _embeddings.Add(embedding);
}
