using Microsoft.ML.Data;
using Microsoft.ML.Peft.Hosting;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>What every estimator of the library keeps to: derive, name the estimator and its data.</summary>
public abstract class EstimatorContract
{
    private const double Tolerance = 1e-5;

    protected MLContext Context { get; } = TestDevice.NewContext(seed: 1);

    /// <summary>An estimator that fits in a moment.</summary>
    protected abstract IEstimator<ITransformer> CreateEstimator();

    /// <summary>Data to fit on, with more rows than a batch and rows of different length.</summary>
    protected abstract IDataView CreateData();

    /// <summary>Columns without which nothing is fitted.</summary>
    protected abstract IReadOnlyList<string> InputColumns { get; }

    /// <summary>Those of them that only a fit reads; none by default.</summary>
    protected virtual IReadOnlyList<string> FittedColumns => [];

    /// <summary>A column that the estimator has nothing to do with.</summary>
    protected abstract string OtherColumn { get; }

    [TestMethod]
    public void SchemaBeforeAndAfterTheFitIsTheSame()
    {
        IDataView data = CreateData();
        IEstimator<ITransformer> estimator = CreateEstimator();
        SchemaShape promised = estimator.GetOutputSchema(SchemaShapes.Of(data.Schema));
        ITransformer model = estimator.Fit(data);
        CollectionAssert.AreEquivalent(Describe(promised), Describe(SchemaShapes.Of(model.GetOutputSchema(data.Schema))));
        CollectionAssert.AreEqual(Names(model.GetOutputSchema(data.Schema)), Names(model.Transform(data).Schema));
        CollectionAssert.AreEqual(Names(model.GetOutputSchema(data.Schema)), Names(model.GetRowToRowMapper(data.Schema).OutputSchema));
    }

    [TestMethod]
    public void SavedAndLoadedItGivesTheSame()
    {
        IDataView data = CreateData();
        ITransformer model = CreateEstimator().Fit(data);
        using var file = new MemoryStream();
        Context.Model.Save(model, data.Schema, file);
        file.Position = 0;
        ITransformer loaded = TestDevice.NewContext().Model.Load(file, out DataViewSchema schema);
        CollectionAssert.AreEqual(Names(data.Schema), Names(schema));
        foreach (string column in Added(model, data))
            Table.AreClose(Table.Read(model.Transform(data), column), Table.Read(loaded.Transform(data), column), 0, column);
    }

    [TestMethod]
    public void BatchesGiveWhatSingleRowsGive()
    {
        IDataView data = CreateData();
        ITransformer model = CreateEstimator().Fit(data);
        foreach (string column in Added(model, data))
            Table.AreClose(RowByRow(model, data, column), Table.Read(model.Transform(data), column), Tolerance, column);
    }

    [TestMethod]
    public void NothingIsReadOrComputedForOtherColumns()
    {
        IDataView data = CreateData();
        ITransformer model = CreateEstimator().Fit(data);
        var recording = new RecordingDataView(data);
        Table.AreClose(Table.Read(data, OtherColumn), Table.Read(model.Transform(recording), OtherColumn), 0, OtherColumn);
        CollectionAssert.AreEqual(new[] { OtherColumn }, recording.Asked);
    }

    [TestMethod]
    public void OtherColumnsPassThroughBesideOutputs()
    {
        IDataView data = CreateData();
        ITransformer model = CreateEstimator().Fit(data);
        IDataView scored = model.Transform(data);
        using DataViewRowCursor cursor = scored.GetRowCursor(scored.Schema);
        Func<object> other = Table.Reader(cursor, scored.Schema[OtherColumn]), output = Table.Reader(cursor, scored.Schema[Added(model, data)[0]]);
        ValueGetter<DataViewRowId> id = cursor.GetIdGetter();
        var seen = new List<object>();
        var ids = new HashSet<DataViewRowId>();
        while (cursor.MoveNext())
        {
            Assert.AreEqual(seen.Count, cursor.Position);
            seen.Add(other());
            Assert.IsNotNull(output());
            DataViewRowId current = default;
            id(ref current);
            Assert.IsTrue(ids.Add(current), "Row ids repeat.");
        }
        Table.AreClose(Table.Read(data, OtherColumn), seen, 0, OtherColumn);
    }

    [TestMethod]
    public void AMissingColumnIsNamed()
    {
        IDataView data = CreateData();
        IEstimator<ITransformer> estimator = CreateEstimator();
        ITransformer model = estimator.Fit(data);
        foreach (string column in InputColumns)
        {
            IDataView without = Context.Transforms.DropColumns(column).Fit(data).Transform(data);
            Assert.Contains(column, Assert.Throws<ArgumentException>(() => estimator.Fit(without)).Message);
            Assert.Contains(column, Assert.Throws<ArgumentException>(() => estimator.GetOutputSchema(SchemaShapes.Of(without.Schema))).Message);
            if (FittedColumns.Contains(column))
                continue;
            Assert.Contains(column, Assert.Throws<ArgumentException>(() => model.Transform(without)).Message);
            Assert.Contains(column, Assert.Throws<ArgumentException>(() => model.GetOutputSchema(without.Schema)).Message);
        }
    }

    [TestMethod]
    public void AfterDisposalItSaysSo()
    {
        IDataView data = CreateData();
        ITransformer model = CreateEstimator().Fit(data);
        IDataView scored = model.Transform(data);
        ((IDisposable)model).Dispose();
        ((IDisposable)model).Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Transform(data));
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.GetRowToRowMapper(data.Schema));
        Assert.ThrowsExactly<ObjectDisposedException>(() => Table.Read(scored, scored.Schema[^1].Name));
    }

    private static IReadOnlyList<object> RowByRow(ITransformer model, IDataView data, string column)
    {
        IRowToRowMapper mapper = model.GetRowToRowMapper(data.Schema);
        DataViewSchema.Column output = mapper.OutputSchema[column];
        using DataViewRowCursor cursor = data.GetRowCursor(mapper.GetDependencies([output]));
        using DataViewRow row = mapper.GetRow(cursor, [output]);
        Func<object> read = Table.Reader(row, output);
        var values = new List<object>();
        while (cursor.MoveNext())
            values.Add(read());
        return values;
    }

    private static string[] Added(ITransformer model, IDataView data) =>
        [.. model.GetOutputSchema(data.Schema).Where(c => data.Schema.GetColumnOrNull(c.Name) is null).Select(c => c.Name)];

    private static string[] Names(DataViewSchema schema) => [.. schema.Select(c => $"{c.Name}: {c.Type}{(c.IsHidden ? ", hidden" : "")}")];

    private static string[] Describe(SchemaShape shape) => [.. shape.Select(column =>
        $"{column.Name}: {column.Kind} of {column.ItemType}{(column.IsKey ? ", key" : "")} [{string.Join("; ", Describe(column.Annotations).Order())}]")];
}
