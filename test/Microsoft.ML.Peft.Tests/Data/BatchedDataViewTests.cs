using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Data;

[TestClass]
public sealed class BatchedDataViewTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly LengthScorer _scorer = new();

    [TestMethod]
    public void RowsComeInTheirOrderFromBatchesOfLikeLength()
    {
        IDataView data = Rows(100);
        Table.AreClose([.. Review.Make(100).Select(r => (object)(double)r.Text.Length)], Table.Read(View(data), "Length"), 0, "lengths");
        Assert.AreEqual(100, _scorer.Batches.Sum(b => b.Length));
        Assert.IsTrue(_scorer.Batches.All(b => b.SequenceEqual(b.Order())), "A batch is not sorted by length.");
        Assert.IsTrue(_scorer.Batches.All(b => b.Length <= _scorer.BatchSize));
    }

    [TestMethod]
    public void PartsOfRowsAreBatchedByTheirOwnLengthAndJoined()
    {
        _scorer.PartLength = 7;
        Table.AreClose([.. Review.Make(100).Select(r => (object)(double)r.Text.Length)], Table.Read(View(Rows(100)), "Length"), 0, "lengths");
        Assert.AreEqual(Review.Make(100).Sum(r => (r.Text.Length + 6) / 7), _scorer.Batches.Sum(b => b.Length));
        Assert.IsTrue(_scorer.Batches.All(b => b.Length <= _scorer.BatchSize && b.Max() <= 7 && b.SequenceEqual(b.Order())));
    }

    [TestMethod]
    public void ABatchMayBeLargerThanAnyMemory()
    {
        _scorer.BatchSize = int.MaxValue;
        Assert.HasCount(100, Table.Read(View(Rows(100)), "Length"));
        Assert.HasCount(1, _scorer.Batches);
    }

    [TestMethod]
    public void ALookAtFewRowsCostsOneBatch()
    {
        IDataView head = _context.Data.TakeRows(View(Rows(100)), 3);
        Assert.HasCount(3, Table.Read(head, "Length"));
        Assert.HasCount(1, _scorer.Batches);
    }

    [TestMethod]
    public void NothingIsScoredForOtherColumns()
    {
        Table.Read(View(Rows(100)), "Number");
        Assert.IsEmpty(_scorer.Batches);
    }

    [TestMethod]
    public void VectorsAreKeptApart()
    {
        IDataView view = View(Rows(20));
        using DataViewRowCursor cursor = view.GetRowCursor(view.Schema);
        Func<object> numbers = Table.Reader(cursor, view.Schema["Numbers"]);
        for (int i = 0; cursor.MoveNext(); i++)
            Assert.HasCount(i % 4, (object[])numbers());
    }

    [TestMethod]
    public void ShufflingKeepsRowsWithTheirIds()
    {
        IDataView cached = _context.Data.Cache(Rows(50));
        IDataView shuffled = View(_context.Data.ShuffleRows(cached, seed: 3));
        var numbers = Table.Read(shuffled, "Number");
        CollectionAssert.AreNotEqual(Table.Read(cached, "Number").ToArray(), numbers.ToArray());
        using DataViewRowCursor cursor = shuffled.GetRowCursor(shuffled.Schema);
        Func<object> text = Table.Reader(cursor, shuffled.Schema["Text"]), length = Table.Reader(cursor, shuffled.Schema["Length"]);
        while (cursor.MoveNext())
            Assert.AreEqual((double)((string)text()).Length, length());
    }

    [TestMethod]
    public void AColumnOfTheSameNameIsHidden()
    {
        IDataView twice = View(View(Rows(10)));
        string[] expected = ["Text", "Label", "Number", "Numbers", "Length", "Length"];
        CollectionAssert.AreEqual(expected, twice.Schema.Select(c => c.Name).ToArray());
        CollectionAssert.AreEqual(new[] { false, false, false, false, true, false }, twice.Schema.Select(c => c.IsHidden).ToArray());
        Assert.HasCount(10, Table.Read(twice, "Length"));
    }

    [TestMethod]
    public void AnEmptySourceHasNoRows()
    {
        IDataView view = View(Rows(0));
        using DataViewRowCursor cursor = view.GetRowCursor(view.Schema);
        Assert.IsFalse(cursor.MoveNext());
        Assert.IsFalse(cursor.MoveNext());
        Assert.AreEqual(-1, cursor.Position);
    }

    [TestMethod]
    public void ObjectsThatSourcesDisposeStayAlive()
    {
        var source = new DisposingView(12);
        IDataView view = View(source);
        using DataViewRowCursor cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<Picture>(view.Schema["Picture"]);
        Picture picture = null!;
        for (int i = 0; cursor.MoveNext(); i++)
        {
            getter(ref picture);
            getter(ref picture);
            Assert.AreEqual(i, picture.Row);
            Assert.IsFalse(picture.Disposed);
        }
    }

    [TestMethod]
    public void LargeRowsWaitInSmallWindows()
    {
        _scorer.BytesEach = 100 << 20;
        Assert.HasCount(20, View(Rows(20)).GetColumn<float>("Length"));
        // The third goes beyond 256 MB.
        CollectionAssert.AreEqual(new[] { 3, 3, 3, 3, 3, 3, 2 }, _scorer.Batches.Select(batch => batch.Length).ToArray());
    }

    private IDataView View(IDataView data) => new BatchedDataView<string, int>(data, _scorer);

    private IDataView Rows(int count) => _context.Data.LoadFromEnumerable(Review.Make(count));

    /// <summary>Says how long a text is, and remembers what it was asked.</summary>
    private sealed class LengthScorer : IBatchScorer<string, int>
    {
        public List<int[]> Batches { get; } = [];

        public IReadOnlyList<string> InputColumns(DataViewSchema schema) => ["Text"];

        public IReadOnlyList<OutputColumn<int>> Outputs { get; } = [OutputColumn<int>.Of("Length", NumberDataViewType.Single, length => (float)length)];

        public int BatchSize { get; set; } = 8;

        /// <summary>What a part is said to take.</summary>
        public long BytesEach { get; set; }

        /// <summary>Characters in a part of a row at most.</summary>
        public int PartLength { get; set; } = int.MaxValue;

        public Func<IReadOnlyList<string>> CreateReader(DataViewRow row)
        {
            var getter = row.GetGetter<ReadOnlyMemory<char>>(row.Schema["Text"]);
            ReadOnlyMemory<char> text = default;
            return () =>
            {
                getter(ref text);
                return text.ToString().Chunk(PartLength).Select(part => new string(part)).DefaultIfEmpty("").ToArray();
            };
        }

        public int LengthOf(string part) => part.Length;

        public long SizeOf(string part) => BytesEach;

        public ColumnBuffer? CreateBuffer(DataViewRow row, DataViewSchema.Column column) => null;

        public int Join(IReadOnlyList<int> parts) => parts.Sum();

        public Pending<IReadOnlyList<int>> Begin(IReadOnlyList<string> parts) => new(() =>
        {
            Batches.Add([.. parts.Select(r => r.Length)]);
            return Batches[^1];
        });

        public void Ended()
        {
        }

        public IDisposable Hold() => new MemoryStream();
    }
}
