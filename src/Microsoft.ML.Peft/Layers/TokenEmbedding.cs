using Microsoft.ML.Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Turns ids into vectors.</summary>
internal interface ITokenLookup
{
    /// <returns>[..., width] for ids [...]</returns>
    Tensor Lookup(Tensor ids);
}

/// <summary>A table of rows [entries, width] looked up by index, with a slot for tuners: named lookups in its place.</summary>
internal sealed class TokenEmbedding : ITokenLookup
{
    private readonly AdapterSlots<ITokenLookup> _lookups = new();
    private readonly int? _padding;

    /// <param name="scope">The module.</param>
    /// <param name="entries">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="padding">The id whose row gets no gradient from lookups, as torch.nn.Embedding has it.</param>
    public TokenEmbedding(WeightScope scope, long entries, long width, int? padding = null)
        : this(scope, new DenseWeight(scope.Load("weight", Init.Normal, entries, width)), padding)
    {
    }

    private TokenEmbedding(WeightScope scope, WeightStore weight, int? padding) : this(scope.Path, weight, padding) => scope.Sites.Add(this);

    private TokenEmbedding(string path, WeightStore weight, int? padding) => (Path, Weight, _padding) = (path, weight, padding);

    public string Path { get; }

    /// <summary>[entries, width]</summary>
    public WeightStore Weight { get; }

    /// <summary>The table as floats that tuners change.</summary>
    /// <exception cref="NotSupportedException">It is quantized.</exception>
    public Parameter Table => Weight is DenseWeight dense ? dense.Matrix : throw new NotSupportedException(
        $"'{Path}' is quantized ({nameof(QuantizationOptions)}.{nameof(QuantizationOptions.VocabularyFormat)}): no tuner can change it.");

    /// <summary>The table of a model's tokens, in the way in which the model keeps it.</summary>
    public static TokenEmbedding OfVocabulary(WeightScope scope, long entries, long width, int? padding = null)
    {
        var tokens = new TokenEmbedding(scope, scope.LoadVocabulary(entries, width), padding);
        scope.Sites.AddTokens(tokens);
        return tokens;
    }

    /// <returns>[..., width] for ids [...]</returns>
    public Tensor Forward(Tensor ids, ForwardContext context) =>
        context.Rows is { } rows ? Forward(ids, rows) : LookupOf(context).Lookup(ids);

    /// <summary>The table's own rows.</summary>
    public Tensor Lookup(Tensor ids)
    {
        using var scope = NewDisposeScope();
        Tensor flat = ids.flatten();
        return WithoutPadding(Weight.Rows(flat), flat).view([.. ids.Sizes(), -1]).MoveToOuterDisposeScope();
    }

    /// <summary>Keeps gradients from what was looked up for the padding.</summary>
    /// <param name="rows">[N, ...], one for each id.</param>
    /// <param name="ids">[N]</param>
    public Tensor WithoutPadding(Tensor rows, Tensor ids)
    {
        if (_padding is not { } padding || !rows.requires_grad)
            return rows;
        using Tensor isPadding = ids.eq(padding).unsqueeze(-1);
        using Tensor cut = rows.detach();
        return where(isPadding, cut, rows);
    }

    /// <summary>Lets another lookup stand in for the table.</summary>
    public void Attach(string adapter, ITokenLookup lookup) => _lookups.Attach(adapter, lookup);

    public void Detach(string adapter) => _lookups.Detach(adapter);

    /// <summary>The same table with memory of its own; it is no place for tuners.</summary>
    public TokenEmbedding Copy() => new(Path, new DenseWeight(Table.Copy(Path + ".weight")), _padding);

    private ITokenLookup LookupOf(ForwardContext context) => _lookups.Of(context) ?? this;

    private Tensor Forward(Tensor ids, AdapterRows rows)
    {
        if (rows.Groups.All(group => ReferenceEquals(LookupOf(group.Context), this)))
            return Lookup(ids);
        using var scope = NewDisposeScope();
        // Positions are often the same for all rows, and given once.
        Tensor all = ids.size(0) == 1 ? ids.expand(rows.Count, -1) : ids;
        return rows.Join(group => LookupOf(group.Context).Lookup(group.Take(all))).MoveToOuterDisposeScope();
    }
}
