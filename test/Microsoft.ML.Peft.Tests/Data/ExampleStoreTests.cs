using System.Reflection;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tests.Data;

[TestClass]
public sealed class ExampleStoreTests
{
    [TestMethod]
    [DataRow(0L)]
    [DataRow(2000L)]
    [DataRow(ExampleStore.DefaultMemoryLimit)]
    public void RowsComeBackAsTheyWere(long memoryLimit)
    {
        Example[] rows = [.. Enumerable.Range(0, 50).Select(Make)];
        using var store = new ExampleStore(memoryLimit);
        foreach (Example row in rows)
            store.Add(row);
        Assert.AreEqual(memoryLimit < ExampleStore.DefaultMemoryLimit, store.SpilledBytes > 0);
        Assert.HasCount(rows.Length, store);
        for (int i = rows.Length - 1; i >= 0; i--)
            AreEqual(rows[i], store[i]);
    }

    [TestMethod]
    public void WhatATaskKeepsBesideStaysInMemory()
    {
        using var store = new ExampleStore(memoryLimit: 0);
        object source = new();
        store.Add(new Example { Ids = [1], TypeIds = [0], Source = source });
        store.Add(Make(3));
        Assert.AreSame(source, store[0].Source);
        AreEqual(Make(3), store[1]);
    }

    [TestMethod]
    public void ManyThreadsReadAtOnce()
    {
        using var store = new ExampleStore(memoryLimit: 0);
        for (int i = 0; i < 100; i++)
            store.Add(Make(i));
        Parallel.For(0, 1000, i => AreEqual(Make(i % 100), store[i % 100]));
    }

    [TestMethod]
    public void RowsOfWordsToLearnKeepNothingBeside()
    {
        using var bert = new TinyBert();
        var context = new MLContext();
        IDataView data = context.Data.LoadFromEnumerable([new Tagged(), new Tagged()]);
        data = context.Transforms.Conversion.MapValueToKey("Labels").Fit(data).Transform(data);
        PeftTask words = PeftTask.TokenClassification("Words", labelColumnName: "Labels");
        TaskRuntime task = words.Bind(words.LabelsOf(data.Schema), TextTokenizer.Load(bert.Folder), 16);
        using RowSet rows = RowSet.Read(data, ["Words", "Labels"], row => task.CreateReader(row, withLabels: true), () => { });
        Assert.HasCount(2, rows.Examples);
        Assert.IsTrue(rows.Examples.All(row => row.Source is null), "they would stay in memory");
    }

    [TestMethod]
    public void NothingOfARowIsLostInTheFile() => CollectionAssert.AreEquivalent(
        new[] { "Ids", "TypeIds", "Labels", "Positions", "Starts", "Truncated", "SplitsToken", "Source", "Length" },
        typeof(Example).GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(p => p.Name).ToArray(), "a new part of a row is to be written, and compared here");

    private static Example Make(int i) => new()
    {
        Ids = [.. Enumerable.Range(i, 1 + i % 9)],
        TypeIds = [.. Enumerable.Range(0, 1 + i % 9).Select(t => (byte)(t % 2))],
        Labels = [.. Enumerable.Range(0, i % 3)],
        Positions = [.. Enumerable.Range(0, i % 4)],
        Starts = [.. Enumerable.Range(0, i % 5)],
        Truncated = i % 2 == 0,
        SplitsToken = i % 3 == 0,
    };

    private static void AreEqual(Example expected, Example actual)
    {
        CollectionAssert.AreEqual(expected.Ids, actual.Ids);
        CollectionAssert.AreEqual(expected.TypeIds, actual.TypeIds);
        CollectionAssert.AreEqual(expected.Labels, actual.Labels);
        CollectionAssert.AreEqual(expected.Positions, actual.Positions);
        CollectionAssert.AreEqual(expected.Starts, actual.Starts);
        Assert.AreEqual(expected.Truncated, actual.Truncated);
        Assert.AreEqual(expected.SplitsToken, actual.SplitsToken);
    }

    private sealed class Tagged
    {
        public string[] Words { get; set; } = ["good", "film"];

        public string[] Labels { get; set; } = ["B-good", "O"];
    }
}
