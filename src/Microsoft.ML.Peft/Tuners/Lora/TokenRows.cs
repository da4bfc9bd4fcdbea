using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>
/// Some rows of a table that train, the rest being as it was (PEFT's trainable tokens). The rows replace those of the table,
/// and may lie behind its end: so a vocabulary grows while the table is shared. Where the head is tied to the table, its
/// rows are the same.
/// </summary>
internal sealed class TokenRows : TunedPart, ITokenLookup, IProjectionDelta
{
    private readonly TokenEmbedding? _embedding;
    private readonly Projection? _head;
    private readonly Parameter _table, _rows;
    private readonly Tensor _places, _known, _knownRows, _newRows;

    /// <param name="embedding">The table's lookup; null where only a head's rows train.</param>
    /// <param name="head">The head whose rows train; null for none.</param>
    /// <param name="ids">The rows.</param>
    /// <param name="fresh">Those among them that start at the table's mean, as all do that lie behind its end.</param>
    public TokenRows(TokenEmbedding? embedding, Projection? head, IReadOnlyList<int> ids, IReadOnlyCollection<int> fresh)
    {
        (_embedding, _head, Ids) = (embedding, head, ids);
        _table = embedding?.Table ?? MatrixOf(head!);
        Path = embedding?.Path ?? head!.Path;
        int entries = (int)_table.Value.size(0);
        Check(ids, entries);

        Device device = _table.Value.device;
        Tensor Index(IEnumerable<int> values) => tensor([.. values.Select(v => (long)v)], ScalarType.Int64, device).DetachFromDisposeScope();
        int[] order = [.. Enumerable.Range(0, ids.Count)];
        int[] known = [.. order.Where(i => ids[i] < entries)];
        _known = Index(known.Select(i => ids[i]));
        _knownRows = Index(known);
        _newRows = Index(order.Where(i => ids[i] >= entries).OrderBy(i => ids[i]));
        int[] places = [.. Enumerable.Repeat(-1, Math.Max(entries, ids.Max() + 1))];
        foreach (int i in order)
            places[ids[i]] = i;
        _places = Index(places);
        _rows = new Parameter(NameIn(Path), Start(fresh), owned: true);
    }

    /// <summary>The name in PEFT's files of the rows of a table.</summary>
    public static string NameIn(string path) => path + ".token_adapter.trainable_tokens_delta";

    public override string Path { get; }

    public IReadOnlyList<int> Ids { get; }

    public override IReadOnlyList<Parameter> Parameters => [_rows];

    private bool Grows => _newRows.numel() > 0;

    public Tensor Lookup(Tensor ids)
    {
        using var scope = NewDisposeScope();
        Tensor flat = ids.flatten(), place = _places.index_select(0, flat);
        Tensor plain = _embedding!.Lookup(flat.clamp_max(_table.Value.size(0) - 1));
        Tensor own = _embedding.WithoutPadding(_rows.Value.index_select(0, place.clamp_min(0)), flat);
        return where(place.ge(0).unsqueeze(-1), own, plain).view([.. ids.Sizes(), -1]).MoveToOuterDisposeScope();
    }

    public Tensor Apply(Tensor input, Tensor output, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        Tensor own = nn.functional.linear(input, _rows.Value);
        Tensor known = own.index_select(-1, _knownRows);
        if (_head!.Bias is { } bias)
            known = known + bias.Value.index_select(0, _known);
        Tensor sum = is_grad_enabled() ? output.index_copy(-1, _known, known) : output.index_copy_(-1, _known, known);
        return (Grows ? cat([sum, own.index_select(-1, _newRows)], -1) : sum).MoveToOuterDisposeScope();
    }

    public override void Attach(string adapter)
    {
        _embedding?.Attach(adapter, this);
        _head?.Attach(adapter, this);
    }

    public override void Detach(string adapter)
    {
        _embedding?.Detach(adapter);
        _head?.Detach(adapter);
    }

    public override void Merge(string adapter)
    {
        using (var scope = NewDisposeScope())
        using (no_grad())
        {
            _table.Substitute(Merged(_table.Value));
            if (Grows && _head?.Bias is { } bias)
                bias.Substitute(cat([bias.Value, bias.Value.new_zeros(_newRows.numel())], 0));
        }
        Detach(adapter);
    }

    public override IEnumerable<MergedWeight> MergedWeights()
    {
        long rows = _table.Value.size(0), added = _newRows.numel();
        string name = _embedding is null ? _head!.Path + ".weight" : _table.Name;
        yield return new MergedWeight(name, _table, [rows + added, _table.Value.size(1)], Merged) { HeadFollows = _head is not null };
        if (Grows && _head?.Bias is { } bias)
            yield return new MergedWeight(bias.Name, bias, [rows + added], values => cat([values, values.new_zeros(added)], 0));
    }

    public override void Unmerge(string adapter)
    {
        _table.Restore();
        if (Grows)
            _head?.Bias?.Restore();
        Attach(adapter);
    }

    public override void Dispose()
    {
        base.Dispose();
        foreach (Tensor index in new[] { _places, _known, _knownRows, _newRows })
            index.Dispose();
    }

    private Tensor Merged(Tensor table)
    {
        using var scope = NewDisposeScope();
        Tensor known = table.index_copy(0, _known, _rows.Value.index_select(0, _knownRows));
        return (Grows ? cat([known, _rows.Value.index_select(0, _newRows)], 0) : known).MoveToOuterDisposeScope();
    }

    private Tensor Start(IReadOnlyCollection<int> fresh)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        // In single precision, whatever the table's.
        Tensor table = _table.Value, mean = table.mean([0], type: ScalarType.Float32);
        var rows = Ids.Select(id => id >= table.size(0) || fresh.Contains(id) ? mean : table[id].to(ScalarType.Float32));
        return stack(rows).DetachFromDisposeScope();
    }

    private void Check(IReadOnlyList<int> ids, int entries)
    {
        if (ids.Count == 0 || ids.Any(id => id < 0) || ids.Distinct().Count() != ids.Count)
            throw new ArgumentException($"Trainable tokens of '{Path}' must be different ids of 0 or more; they are {string.Join(", ", ids)}.");
        int behind = ids.Count(id => id >= entries);
        if (behind > 0 && ids.Max() != entries + behind - 1)
        {
            throw new ArgumentException(
                $"Trainable tokens of '{Path}': its table has {entries} rows; ids behind it must follow one another from {entries}, and are "
                + $"{string.Join(", ", ids.Where(id => id >= entries).Order())}.");
        }
    }

    private static Parameter MatrixOf(Projection head) => head.Weight is DenseWeight { IsTransposed: false } dense
        ? dense.Matrix
        : throw new NotSupportedException($"'{head.Path}': rows of a quantized or transposed matrix cannot train by themselves.");
}
