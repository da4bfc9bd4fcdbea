using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Keys and values that a tuner puts before a call's own.</summary>
internal interface IKeyValuePrefix
{
    /// <summary>How many.</summary>
    int Count { get; }

    /// <summary>Of its numbers, row by row in training; 0 by default.</summary>
    double Dropout => 0;

    /// <summary>Those of one attention, [count, groups, size] each: leaves that train, or views of one; they belong to the caller's scope.</summary>
    (Tensor Keys, Tensor Values) Of(AttentionSite site);
}

/// <summary>
/// The columns of keys before the rows' own in one call. Rows whose prefix is shorter than the longest begin with columns that
/// are hidden.
/// </summary>
/// <param name="Count">P</param>
/// <param name="Real">True where a row has a key [B, P]; null where all have.</param>
internal sealed record PrefixColumns(long Count, Tensor? Real)
{
    /// <summary>What the attentions of a call begin with; null where that is nothing, or lies in the cache already.</summary>
    /// <param name="site">One of them.</param>
    /// <param name="context">The call.</param>
    public static PrefixColumns? Of(AttentionSite site, ForwardContext context)
    {
        if (context.Cache is { Length: > 0 })
            return null;
        if (context.Rows is { } rows)
            return OfRows(site, rows);
        return site.PrefixOf(context) is { } only ? new PrefixColumns(only.Count, null) : null;
    }

    /// <summary>What one attention puts before the keys of rows under adapters of their own.</summary>
    public static PrefixColumns? OfRows(AttentionSite site, AdapterRows rows)
    {
        long[] counts = new long[rows.Count];
        foreach (AdapterGroup group in rows.Groups)
            group.ForEachRow(row => counts[row] = site.PrefixOf(group.Context)?.Count ?? 0);
        long most = counts.Max();
        if (most == 0)
            return null;
        if (counts.All(count => count == most))
            return new PrefixColumns(most, null);
        using var scope = NewDisposeScope();
        Tensor first = most - tensor(counts, ScalarType.Int64, rows.Device).unsqueeze(1);
        Tensor real = arange(0, most, ScalarType.Int64, rows.Device).unsqueeze(0).ge(first);
        return new PrefixColumns(most, real.MoveToOuterDisposeScope());
    }

    /// <summary>True where a key is real, of these columns and the rows' own [B, P + S]; null when all are.</summary>
    /// <param name="own">[B, S]; null when all are real.</param>
    /// <param name="rows">B</param>
    /// <param name="length">S</param>
    /// <param name="device">Where the batch lies.</param>
    public Tensor? RealWith(Tensor? own, long rows, long length, Device device) => Real is null && own is null
        ? null
        : cat([Real ?? ones([rows, Count], ScalarType.Bool, device), own ?? ones([rows, length], ScalarType.Bool, device)], 1);

    /// <summary>Positions that begin behind the prefix.</summary>
    /// <param name="positions">[B or 1, S]</param>
    public Tensor Shift(Tensor positions) => Real is null ? positions.add(Count) : positions.add(Real.sum(1, keepdim: true));
}
