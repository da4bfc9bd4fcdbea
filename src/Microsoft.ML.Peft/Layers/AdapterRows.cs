using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// Which adapter each row of a batch uses. The base runs once for all rows; then each adapter's part runs over its own, as a
/// view where they lie side by side. For inference only.
/// </summary>
internal sealed class AdapterRows : IDisposable
{
    // Where each row of the groups, laid end to end, belongs; null where that is its place already.
    private readonly Tensor? _order;

    /// <param name="adapters">The name for each row; null for the bare base.</param>
    /// <param name="device">Where the batch lies.</param>
    public AdapterRows(IReadOnlyList<string?> adapters, Device device)
    {
        (Names, Device) = ([.. adapters], device);
        int[][] rows = [.. Enumerable.Range(0, adapters.Count).GroupBy(row => adapters[row]).Select(group => group.ToArray())];
        Groups = [.. rows.Select(group => new AdapterGroup(adapters[group[0]], group, device))];
        long[] places = new long[adapters.Count];
        foreach (var (row, at) in rows.SelectMany(group => group).Select((row, at) => (row, at)))
            places[row] = at;
        if (Groups.Any(group => !group.IsContiguous))
            _order = tensor(places, ScalarType.Int64, device).DetachFromDisposeScope();
    }

    /// <summary>The adapter of each row.</summary>
    public string?[] Names { get; }

    public Device Device { get; }

    /// <summary>B</summary>
    public int Count => Names.Length;

    public IReadOnlyList<AdapterGroup> Groups { get; }

    /// <summary>Makes a tensor of what each group makes of its rows.</summary>
    public Tensor Join(Func<AdapterGroup, Tensor> make)
    {
        using var scope = NewDisposeScope();
        Tensor all = cat([.. Groups.Select(make)], 0);
        return (_order is null ? all : all.index_select(0, _order)).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _order?.Dispose();
        foreach (AdapterGroup group in Groups)
            group.Dispose();
    }
}

/// <summary>The rows of one adapter.</summary>
internal sealed class AdapterGroup : IDisposable
{
    private readonly int[] _places;
    private readonly Tensor? _rows;
    private readonly long _start;

    public AdapterGroup(string? adapter, int[] rows, Device device)
    {
        Context = new ForwardContext { Adapter = adapter };
        (_places, _start) = (rows, rows[0]);
        if (rows[^1] - rows[0] != rows.Length - 1)
            _rows = tensor([.. rows.Select(row => (long)row)], ScalarType.Int64, device).DetachFromDisposeScope();
    }

    /// <summary>The call as these rows see it.</summary>
    public ForwardContext Context { get; }

    public bool IsContiguous => _rows is null;

    /// <summary>How many rows there are.</summary>
    public long Count => _places.Length;

    /// <summary>Names each row by its place in the batch.</summary>
    public void ForEachRow(Action<int> act) => Array.ForEach(_places, act);

    /// <summary>The group's rows of a tensor [B, ...]: a view if they lie side by side.</summary>
    public Tensor Take(Tensor all) => _rows is null ? all.narrow(0, _start, Count) : all.index_select(0, _rows);

    /// <summary>Puts other values in the rows' place.</summary>
    /// <exception cref="NotSupportedException">The adapter makes rows of another width.</exception>
    public unsafe void Put(Tensor all, Tensor part)
    {
        if (part.size(-1) != all.size(-1))
        {
            throw new NotSupportedException(
                $"Adapter '{Context.Adapter}' answers with {part.size(-1)} numbers where others have {all.size(-1)} (it adds tokens to the "
                + "vocabulary): its rows need a batch of their own.");
        }
        if (_rows is not null)
        {
            all.index_copy_(0, _rows, part);
            return;
        }
        using Tensor place = Take(all);
        // LoRA works in place: there is nothing to move.
        if (NativeTensor.Address(place) != NativeTensor.Address(part))
            place.copy_(part);
    }

    public void Dispose() => _rows?.Dispose();
}
