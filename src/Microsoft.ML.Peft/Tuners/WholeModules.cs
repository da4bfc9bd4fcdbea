using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>A projection that trains as a whole, as a copy: a matrix that it shares (a tied head) stays as it is elsewhere.</summary>
internal sealed class WholeProjection(Projection site) : TunedPart
{
    private readonly Projection _own = site.Copy();

    public override string Path => site.Path;

    public override IReadOnlyList<Parameter> Parameters => _own.Parameters;

    public override void Attach(string adapter) => site.Attach(adapter, _own);

    public override void Detach(string adapter) => site.Detach(adapter);

    public override IEnumerable<MergedWeight> MergedWeights() =>
        site.Parameters.Zip(_own.Parameters, (origin, own) => MergedWeight.Of(own.Name, origin, own));
}

/// <summary>A table that trains as a whole, as a copy.</summary>
internal sealed class WholeEmbedding(TokenEmbedding site) : TunedPart
{
    private readonly TokenEmbedding _own = site.Copy();

    public override string Path => site.Path;

    public override IReadOnlyList<Parameter> Parameters => [_own.Table];

    public override void Attach(string adapter) => site.Attach(adapter, _own);

    public override void Detach(string adapter) => site.Detach(adapter);

    public override IEnumerable<MergedWeight> MergedWeights() => [MergedWeight.Of(_own.Table.Name, site.Table, _own.Table)];
}

/// <summary>What trains as a whole: the task's head, and the modules that the user names, by PEFT's rules.</summary>
internal sealed record WholeModules(IReadOnlyList<Projection> Projections, IReadOnlyList<TokenEmbedding> Embeddings, IReadOnlyList<Parameter> Others)
{
    /// <param name="modulesToSave">What the user names.</param>
    /// <param name="target">The model.</param>
    public static WholeModules Choose(IReadOnlyList<string> modulesToSave, TuningTarget target)
    {
        bool Named(string path) => TargetMatcher.WithinSuffix(path, modulesToSave);
        var head = target.HeadParameters.ToHashSet();
        TuningSites sites = target.Sites;
        List<Projection> projections = [.. sites.Projections.Where(
            site => Named(site.Path) || (site.Parameters.Count > 0 && site.Parameters.All(head.Contains)))];
        List<TokenEmbedding> embeddings = [.. sites.Embeddings.Where(site => Named(site.Path))];
        var held = projections.SelectMany(site => site.Parameters).Concat(embeddings.Select(site => site.Table)).ToHashSet();
        return new WholeModules(projections, embeddings,
            [.. target.Parameters.Where(p => !held.Contains(p) && (head.Contains(p) || Named(p.ModulePath)))]);
    }

    /// <summary>The same without some.</summary>
    public WholeModules Without(IReadOnlyCollection<string> paths) => this with
    {
        Projections = [.. Projections.Where(site => !paths.Contains(site.Path))],
        Embeddings = [.. Embeddings.Where(site => !paths.Contains(site.Path))],
    };

    public bool Contains(string path) => Projections.Any(site => site.Path == path) || Embeddings.Any(site => site.Path == path);

    public IEnumerable<TunedPart> Parts() =>
        Projections.Select(site => (TunedPart)new WholeProjection(site)).Concat(Embeddings.Select(site => new WholeEmbedding(site)));
}
