using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>
/// The base's own tables that PEFT saves beside an adapter which tunes them (<c>save_embedding_layers="auto"</c>): those of
/// the tokens and of the output, where their usual names are among the targets. A file may lack them.
/// </summary>
internal sealed class BaseTables
{
    private static readonly string[] UsualNames = ["embed_tokens", "lm_head"];

    private BaseTables(IReadOnlyDictionary<string, Parameter> all, bool saves) => (All, Saved) = (all, saves ? [.. all.Keys] : []);

    public static BaseTables None => new(new Dictionary<string, Parameter>(), saves: false);

    /// <summary>All that a file may have.</summary>
    public IReadOnlyDictionary<string, Parameter> All { get; }

    /// <summary>What is saved; after a reading, what was read.</summary>
    public IReadOnlyList<string> Saved { get; set; }

    public static BaseTables Of(LoraOptions options, TuningTarget target, LoraTargets targets)
    {
        TuningSites sites = target.Sites;
        var all = targets.Embeddings.Where(site => sites.TokenTables.Contains(site)).Select(site => (site.Path, Table: site.Table))
            .Concat(targets.Projections.Where(site => sites.Outputs.Any(output => ReferenceEquals(output.Projection, site)) && site.Weight is DenseWeight)
                .Select(site => (site.Path, Table: ((DenseWeight)site.Weight).Matrix)))
            .ToDictionary(t => t.Path + ".base_layer.weight", t => t.Table);
        bool named = options.TargetPattern is { } pattern
            ? sites.Embeddings.Select(s => s.Path).Concat(sites.Projections.Select(s => s.Path))
                .Any(path => UsualNames.Contains(path[(path.LastIndexOf('.') + 1)..]) && TargetMatcher.ByPattern(path, pattern))
            : options.TargetModules?.Intersect(UsualNames).Any() == true;
        bool hasTokens = options.TrainableTokens.Count + options.TrainableTokensByModule.Count + options.NewTokenIds.Count > 0;
        return new BaseTables(all, named && !hasTokens);
    }

    public IEnumerable<(string Name, Tensor Value)> Export() => Saved.Select(name => (name, All[name].Original));

    /// <summary>Refuses tables that are not the base's own, which other adapters share.</summary>
    /// <exception cref="InvalidDataException">A table has other values.</exception>
    public void CheckSame(ITensorSource source)
    {
        foreach (var (name, table) in All.Where(t => source.Names.Contains(PeftNames.Prefix + t.Key)))
        {
            PeftNames.CheckShape(source, PeftNames.Prefix + name, table.Original.Sizes());
            using var scope = NewDisposeScope();
            Tensor here = source.Read(PeftNames.Prefix + name).to(table.Original.dtype, table.Original.device);
            if (here.ne(table.Original).any().item<bool>())
                throw new InvalidDataException($"{source.Description}: tensor '{PeftNames.Prefix + name}' is not the base's: the adapter belongs to another one.");
        }
    }
}
