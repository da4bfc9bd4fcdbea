namespace Microsoft.ML.Peft.Layers;

/// <summary>The places of a model where tuners attach, in the order in which the model built them.</summary>
internal sealed class TuningSites
{
    private readonly List<Projection> _projections = [];
    private readonly List<TokenEmbedding> _embeddings = [];

    public IReadOnlyList<Projection> Projections => _projections;

    public IReadOnlyList<TokenEmbedding> Embeddings => _embeddings;

    public void Add(Projection projection) => _projections.Add(projection);

    public void Add(TokenEmbedding embedding) => _embeddings.Add(embedding);
}
