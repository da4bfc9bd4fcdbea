using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>Label columns whose type has more keys than the data: bounded by name, and told before they take memory.</summary>
[TestClass]
public sealed class KeyRangeTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly List<string> _log = [];

    [TestInitialize]
    public void Listen() => _context.Log += (_, message) => _log.Add(message.Message);

    [TestCleanup]
    public void DeleteModel() => _bert.Dispose();

    [TestMethod]
    public void RangesBeyondWhatAHeadHoldsAreNamed()
    {
        Refused<AllKeys>("4294967295");
        Refused<ManyKeys>("4000000");
        IDataView texts = _context.Data.LoadFromEnumerable(Review.Make(18));
        foreach (int bits in new[] { 30, 31 })
        {
            IDataView hashed = _context.Transforms.Conversion.Hash("Class", "Label", numberOfBits: bits).Fit(texts).Transform(texts);
            Refused(hashed, $"{1L << bits}");
        }
    }

    [TestMethod]
    public void AVectorOfThemIsNamedToo()
    {
        IDataView texts = _context.Data.LoadFromEnumerable(Review.Make(18));
        IDataView hashed = _context.Transforms.Text.TokenizeIntoWords("Words", "Text")
            .Append(_context.Transforms.Conversion.Hash("Class", "Words", numberOfBits: 31)).Fit(texts).Transform(texts);
        Refused(hashed, $"{1L << 31}", PeftTask.TokenClassification("Words", "Class"));
    }

    [TestMethod]
    public void ClassesThatNoRowHasAreCountedInAWarning()
    {
        using PeftTransformer model = Lora(PeftTask.TextClassification(labelColumnName: "Class")).Fit(Data<SomeKeys>());
        Assert.Contains(line => line.Contains("500 classes, 2 seen", StringComparison.Ordinal) && line.Contains("'Class'", StringComparison.Ordinal), _log);
    }

    [TestMethod]
    public void ClassesThatAllHaveRowsAreNoneToWarnOf()
    {
        using PeftTransformer model = Lora(PeftTask.TextClassification()).Fit(Review.Load(_context));
        Assert.DoesNotContain(line => line.Contains("classes,", StringComparison.Ordinal), _log);
    }

    /// <summary>Keys without values are matched by number, and one beyond its type is named by its row.</summary>
    [TestMethod]
    public void AKeyBeyondItsTypeIsNamed()
    {
        IDataView data = new KeysBeyond(Data<SomeKeys>());
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Lora(PeftTask.TextClassification(labelColumnName: "Class")).Fit(data)).Message;
        foreach (string part in new[] { "Row 1", "'Class'", "key 2", "1 keys" })
            Assert.Contains(part, message);
    }

    private void Refused<T>(string count) where T : Labelled, new() => Refused(Data<T>(), count);

    private void Refused(IDataView data, string count, PeftTask? task = null)
    {
        string message = Assert.ThrowsExactly<ArgumentException>(() => Lora(task ?? PeftTask.TextClassification(labelColumnName: "Class")).Fit(data)).Message;
        foreach (string part in new[] { "'Class'", count, "1000000" })
            Assert.Contains(part, message);
    }

    private LoraFineTune Lora(PeftTask task) => _context.Peft().Lora(_bert.Folder, task, maxEpochs: 1);

    private IDataView Data<T>() where T : Labelled, new() => _context.Data.LoadFromEnumerable(
        Enumerable.Range(0, 18).Select(i => new T { Text = i % 2 == 0 ? "good film" : "bad film", Class = (uint)(i % 2) }));

    private abstract class Labelled
    {
        public string Text { get; set; } = "";

        public abstract uint Class { get; set; }
    }

    private sealed class AllKeys : Labelled
    {
        [KeyType(uint.MaxValue)]
        public override uint Class { get; set; }
    }

    private sealed class ManyKeys : Labelled
    {
        [KeyType(4_000_000)]
        public override uint Class { get; set; }
    }

    private sealed class SomeKeys : Labelled
    {
        [KeyType(500)]
        public override uint Class { get; set; }
    }

    /// <summary>Data whose keys are more than its type says.</summary>
    private sealed class KeysBeyond(IDataView source) : IDataView
    {
        public bool CanShuffle => false;

        public DataViewSchema Schema { get; } = Narrow(source.Schema);

        public long? GetRowCount() => source.GetRowCount();

        public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) =>
            new Cursor(source.GetRowCursor(columnsNeeded, rand), source.Schema, Schema);

        public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) => [GetRowCursor(columnsNeeded, rand)];

        private static DataViewSchema Narrow(DataViewSchema schema)
        {
            var builder = new DataViewSchema.Builder();
            foreach (DataViewSchema.Column column in schema)
                builder.AddColumn(column.Name, column.Name == "Class" ? new KeyDataViewType(typeof(uint), 1) : column.Type);
            return builder.ToSchema();
        }

        private sealed class Cursor(DataViewRowCursor inner, DataViewSchema from, DataViewSchema schema) : DataViewRowCursor
        {
            public override DataViewSchema Schema => schema;

            public override long Position => inner.Position;

            public override long Batch => inner.Batch;

            public override bool MoveNext() => inner.MoveNext();

            public override ValueGetter<DataViewRowId> GetIdGetter() => inner.GetIdGetter();

            public override bool IsColumnActive(DataViewSchema.Column column) => inner.IsColumnActive(from[column.Index]);

            public override ValueGetter<T> GetGetter<T>(DataViewSchema.Column column) => inner.GetGetter<T>(from[column.Index]);
        }
    }
}
