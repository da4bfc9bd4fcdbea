using Microsoft.ML.Peft.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>What a tuner makes of a model's input: it may lengthen or rewrite the rows (prompt tuning, Lester et al. 2021).</summary>
internal interface IInputTuner
{
    /// <summary>How many positions it adds to rows that keep no places for them.</summary>
    int Count { get; }

    /// <param name="input">The rows; what is left out of the answer stays the caller's.</param>
    /// <param name="context">The call.</param>
    ModelInput Change(ModelInput input, ForwardContext context);
}

/// <summary>A model's entrance, from a batch of ids to vectors, mask and places.</summary>
internal sealed class InputSite
{
    private readonly AdapterSlots<IInputTuner> _tuners = new();

    /// <param name="scope">The module that holds the tokens' table.</param>
    /// <param name="tokens">The table.</param>
    public InputSite(WeightScope scope, TokenEmbedding tokens)
    {
        Tokens = tokens;
        scope.Sites.Add(this);
    }

    public TokenEmbedding Tokens { get; }

    public void Attach(string adapter, IInputTuner tuner) => _tuners.Attach(adapter, tuner);

    public void Detach(string adapter) => _tuners.Detach(adapter);

    /// <summary>Looks the tokens up and lets tuners at them, once a text: what follows in a cached call enters as it is.</summary>
    public ModelInput Enter(Batch batch, PositionSelection rows, ForwardContext context)
    {
        var input = new ModelInput
        {
            Ids = batch.Ids,
            Embeddings = Tokens.Forward(batch.Ids, context),
            Mask = batch.Mask,
            PadsEnd = batch.PadsEnd,
            TypeIds = batch.TypeIds,
            Texts = batch.Texts,
            Places = batch.PositionIds,
            Blocks = batch.BlockPositionIds,
            Context = batch.ContextLengths,
            ContextEnds = batch.ContextEnds,
            Gaps = batch.VirtualPlaces,
            Rows = rows,
        };
        if (context.Cache is { Length: > 0 })
            return input;
        if (context.Rows is { } byRow && byRow.Groups.Any(group => _tuners.Of(group.Context) is not null))
            return Enter(input, byRow);
        return Change(input, context);
    }

    /// <summary>What the call's one adapter makes of its rows; null where that is nothing.</summary>
    public IInputTuner? TunerOf(ForwardContext context) => _tuners.Of(context);

    private ModelInput Change(ModelInput input, ForwardContext context)
    {
        ModelInput changed = _tuners.Of(context)?.Change(input, context) ?? input;
        return changed.Gaps is null ? changed : throw new NotSupportedException(
            $"The rows keep {changed.Gaps.size(1)} places for virtual tokens, and {(context.Adapter is null ? "the bare base" : "the adapter")} fills none: prompt tuning and P-tuning do.");
    }

    private ModelInput Enter(ModelInput input, AdapterRows rows)
    {
        var parts = rows.Groups.ToDictionary(group => group, group => Change(Take(input, group), group.Context));
        long length = parts.Values.Max(part => part.Length);
        foreach (AdapterGroup group in rows.Groups)
            parts[group] = parts[group].PaddedTo(length);
        Tensor? JoinWhere(Func<ModelInput, Tensor?> of, Func<ModelInput, Tensor> otherwise) =>
            parts.Values.All(part => of(part) is null) ? null : rows.Join(group => of(parts[group]) ?? otherwise(parts[group]));
        return input with
        {
            Ids = null,
            Embeddings = rows.Join(group => parts[group].Embeddings),
            Mask = JoinWhere(part => part.Mask, part => ones([part.Count, length], ScalarType.Bool, part.Device)),
            TypeIds = JoinWhere(part => part.TypeIds, part => zeros([part.Count, length], ScalarType.Int64, part.Device)),
            Places = rows.Join(group => parts[group].PlacesOrRange().expand(group.Count, -1)),
            Blocks = JoinWhere(part => part.Blocks, part => zeros([part.Count, length], ScalarType.Int64, part.Device)),
            Context = input.Context is null ? null : rows.Join(group => parts[group].Context!),
            PadsEnd = parts.Values.All(part => part.PadsEnd),
            Gaps = null,
            Rows = PositionSelection.At(rows.Join(group => parts[group].Rows.Indices(group.Count, length, input.Device))),
        };
    }

    private static ModelInput Take(ModelInput input, AdapterGroup group) => input with
    {
        Ids = null,
        Embeddings = group.Take(input.Embeddings),
        Mask = input.Mask is null ? null : group.Take(input.Mask),
        TypeIds = input.TypeIds is null ? null : group.Take(input.TypeIds),
        Texts = input.Texts is null ? null : group.Take(input.Texts),
        Places = input.Places is null ? null : group.Take(input.Places),
        Blocks = input.Blocks is null ? null : group.Take(input.Blocks),
        Context = input.Context is null ? null : group.Take(input.Context),
        ContextEnds = input.ContextEnds is null ? null : group.Take(input.ContextEnds),
        Gaps = input.Gaps is null ? null : group.Take(input.Gaps),
        Rows = input.Rows.Of(group),
    };
}
