using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>
/// Tables of tokens that an adapter's file holds whole: PEFT saves them so where they were resized for new tokens. Rows that equal the
/// base's are the base's; the others, and those behind its end, become rows of the adapter's own.
/// </summary>
internal sealed class ResizedTables
{
    private readonly IReadOnlyDictionary<string, int[]> _found;
    private readonly IReadOnlyCollection<string> _tied;

    private ResizedTables(IReadOnlyDictionary<string, int[]> found, IReadOnlyCollection<string> tied) => (_found, _tied) = (found, tied);

    public static ResizedTables None => new(new Dictionary<string, int[]>(), tied: []);

    /// <summary>The adapter's own rows by the path of their table; a tied head's are the table's.</summary>
    public IReadOnlyDictionary<string, int[]> Rows => _found.Where(table => table.Value.Length > 0 && !_tied.Contains(table.Key))
        .ToDictionary(table => table.Key, table => table.Value);

    /// <summary>The paths of all tables that the file holds whole.</summary>
    public IReadOnlyCollection<string> Paths => [.. _found.Keys];

    /// <summary>Finds the tables among what is about to be read.</summary>
    /// <param name="target">The model.</param>
    /// <param name="whole">Modules that train as a whole: their tables are such only where they have more rows than the base's.</param>
    /// <exception cref="NotSupportedException">The base ties head and table, and in the file they differ.</exception>
    public static ResizedTables Of(TuningTarget target, WholeModules whole)
    {
        TuningSites sites = target.Sites;
        TokenEmbedding[] dense = [.. sites.TokenTables.Where(table => table.Weight is DenseWeight)];
        if (target.Saved is not { } saved || dense.Length == 0)
            return None;
        var tables = dense.Select(table => (table.Path, table.Table)).Concat(sites.Outputs.Where(output => dense.Contains(output.Table))
            .Where(output => output.Projection.Weight is DenseWeight { IsTransposed: false }).Select(output => (output.Path, Table: ((DenseWeight)output.Projection.Weight).Matrix)));
        var found = tables.Where(table => IsWhole(saved, table.Path, table.Table, whole.Contains(table.Path)))
            .ToDictionary(table => table.Path, table => Differing(saved, FileName(table.Path), table.Table));
        VocabularyOutput[] tied = [.. sites.Outputs.Where(output => output.IsTied && found.ContainsKey(output.Path) && found.ContainsKey(output.Table.Path))];
        if (tied.FirstOrDefault(output => !AreSame(saved, FileName(output.Table.Path), FileName(output.Path))) is { } differing)
        {
            throw new NotSupportedException(
                $"{saved.Description}: '{FileName(differing.Table.Path)}' and '{FileName(differing.Path)}' differ, and the base ties the two: merge the adapter in PEFT, and load the merged model.");
        }
        return new ResizedTables(found, [.. tied.Select(output => output.Path)]);
    }

    /// <summary>The file with the adapter's own rows in the place of the tables.</summary>
    public ITensorSource In(ITensorSource source) => _found.Count == 0 ? source : new RowsOnly(source, _found.Keys, Rows);

    private static string FileName(string path) => PeftNames.Prefix + path + ".weight";

    private static bool IsWhole(ITensorSource saved, string path, Parameter table, bool trainsAsAWhole)
    {
        if (!saved.Names.Contains(FileName(path)))
            return false;
        long[] shape = saved.ShapeOf(FileName(path)), own = table.Value.Sizes();
        return shape.Length == 2 && shape[1] == own[1] && (trainsAsAWhole ? shape[0] > own[0] : shape[0] >= own[0]);
    }

    private static int[] Differing(ITensorSource saved, string name, Parameter table)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Tensor here = table.Value, there = saved.Read(name).to(ScalarType.Float32, here.device);
        long entries = here.size(0);
        Tensor differs = there.narrow(0, 0, entries).ne(here.to(ScalarType.Float32)).any(1);
        return [.. differs.nonzero().flatten().cpu().data<long>().Select(id => (int)id), .. Enumerable.Range((int)entries, (int)(there.size(0) - entries))];
    }

    private static bool AreSame(ITensorSource saved, string first, string second)
    {
        using var scope = NewDisposeScope();
        return saved.ShapeOf(first).SequenceEqual(saved.ShapeOf(second)) && !saved.Read(first).ne(saved.Read(second)).any().item<bool>();
    }

    private sealed class RowsOnly(ITensorSource source, IEnumerable<string> tables, IReadOnlyDictionary<string, int[]> rows) : ITensorSource
    {
        private readonly Dictionary<string, (string Table, int[] Ids)> _rows = rows.ToDictionary(
            table => PeftNames.Prefix + TokenRows.NameIn(table.Key), table => (FileName(table.Key), table.Value));

        public string Description => source.Description;

        public IReadOnlyCollection<string> Names { get; } = [
            .. source.Names.Except(tables.Select(FileName)), .. rows.Keys.Select(path => PeftNames.Prefix + TokenRows.NameIn(path))];

        public long[] ShapeOf(string name) => _rows.TryGetValue(name, out var own) ? [own.Ids.Length, source.ShapeOf(own.Table)[1]] : source.ShapeOf(name);

        public Tensor Read(string name)
        {
            if (!_rows.TryGetValue(name, out var own))
                return source.Read(name);
            using Tensor table = source.Read(own.Table), ids = tensor(Array.ConvertAll(own.Ids, id => (long)id), ScalarType.Int64, table.device);
            return table.index_select(0, ids);
        }

        public void Dispose() => source.Dispose();
    }
}
