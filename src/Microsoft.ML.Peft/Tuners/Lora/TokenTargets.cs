using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>Which rows of which tables train, by PEFT's rules: a head that is tied to the tokens' table follows it.</summary>
internal static class TokenTargets
{
    /// <param name="options">The settings.</param>
    /// <param name="target">The model.</param>
    /// <param name="taken">Modules that are tuned in another way.</param>
    /// <param name="read">Rows that an adapter's file has besides, by table.</param>
    /// <exception cref="ArgumentException">A name matches no table, or one that is tuned in another way; or a table grows without the head.</exception>
    public static IReadOnlyList<TokenRows> Choose(
        LoraOptions options, TuningTarget target, IReadOnlyCollection<string> taken, IReadOnlyDictionary<string, int[]> read)
    {
        TuningSites sites = target.Sites;
        Dictionary<string, IReadOnlyList<int>> wanted = Wanted(options, sites);
        foreach (var (path, ids) in read)
            wanted[path] = [.. wanted.GetValueOrDefault(path, []).Union(ids)];
        string? conflict = wanted.Keys.FirstOrDefault(taken.Contains);
        if (conflict is not null)
            throw new ArgumentException($"'{conflict}' has trainable tokens, and trains in another way as well: choose one.", nameof(options));

        ILookup<bool, VocabularyOutput> outputs = sites.Outputs.ToLookup(output => Follows(output, wanted, taken));
        foreach (VocabularyOutput output in outputs[false])
            CheckGrowth(output, wanted.GetValueOrDefault(output.Table.Path, []), wanted.GetValueOrDefault(output.Path, []), taken.Contains(output.Path));
        IReadOnlyCollection<int> fresh = [.. options.NewTokenIds];
        List<TokenRows> rows = [.. sites.Embeddings.Where(site => wanted.ContainsKey(site.Path)).Select(site => new TokenRows(
            site, outputs[true].FirstOrDefault(output => ReferenceEquals(output.Table, site))?.Projection, wanted[site.Path], fresh))];
        rows.AddRange(sites.Projections.Where(site => wanted.ContainsKey(site.Path) && !outputs[true].Any(output => ReferenceEquals(output.Projection, site)))
            .Select(site => new TokenRows(null, site, wanted[site.Path], fresh)));
        return rows;
    }

    private static bool Follows(VocabularyOutput output, Dictionary<string, IReadOnlyList<int>> wanted, IReadOnlyCollection<string> taken) =>
        output.IsTied && wanted.GetValueOrDefault(output.Table.Path) is { } tokens
        && (wanted.GetValueOrDefault(output.Path) is not { } own || own.SequenceEqual(tokens)) && !taken.Contains(output.Path);

    // A head with fewer rows than the table cannot say the tokens that labels ask for.
    private static void CheckGrowth(VocabularyOutput head, IReadOnlyList<int> tokens, IReadOnlyList<int> own, bool taken)
    {
        int missing = tokens.Where(id => id >= head.Table.Weight.Outputs).Except(own).Count();
        if (missing > 0)
        {
            throw new ArgumentException(
                $"'{head.Table.Path}' gets {missing} rows behind its end, and the head '{head.Path}' does not, "
                + (taken ? "as it is tuned or trains as a whole: leave it out of the targets and modules to save." : "as it has a matrix of its own: train its rows too."));
        }
    }

    // By whole path.
    private static Dictionary<string, IReadOnlyList<int>> Wanted(LoraOptions options, TuningSites sites)
    {
        var wanted = new Dictionary<string, IReadOnlyList<int>>(StringComparer.Ordinal);
        foreach ((string name, IReadOnlyList<int> ids) in options.TrainableTokensByModule)
        {
            string[] paths = [.. Paths(sites).Where(path => path.EndsWith(name, StringComparison.Ordinal))];
            if (paths.Length == 0)
            {
                throw new ArgumentException(
                    $"{nameof(LoraOptions)}.{nameof(options.TrainableTokensByModule)}: '{name}' matches no table of the model. "
                    + $"Near names: {string.Join(", ", TargetMatcher.Near(name, Paths(sites)))}.", nameof(options));
            }
            foreach (string path in paths)
                wanted[path] = ids;
        }
        int[] tokens = [.. options.TrainableTokens, .. options.NewTokenIds.Except(options.TrainableTokens)];
        if (tokens.Length > 0)
            wanted[TokensOf(sites).Path] = [.. tokens];
        // A head with a matrix of its own has to learn to say what is new.
        if (options.NewTokenIds.Count > 0 && sites.Output is { } head && !sites.TiesOutput)
            wanted[head.Path] = options.NewTokenIds;
        return wanted;
    }

    private static TokenEmbedding TokensOf(TuningSites sites) =>
        sites.Tokens ?? throw new ArgumentException("The model has no table of tokens whose rows could train.");

    private static IEnumerable<string> Paths(TuningSites sites) =>
        sites.Embeddings.Select(site => site.Path).Concat(sites.Outputs.Select(output => output.Path));
}
