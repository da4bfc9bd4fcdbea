using System.Reflection;
using Microsoft.ML.Peft.Data;

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
    public void ManyThreadsReadAtOnce()
    {
        using var store = new ExampleStore(memoryLimit: 0);
        for (int i = 0; i < 100; i++)
            store.Add(Make(i));
        Parallel.For(0, 1000, i => AreEqual(Make(i % 100), store[i % 100]));
    }

    [TestMethod]
    public void NothingOfARowIsLostInTheFile()
    {
        Field[] declared = [.. typeof(Fields).GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => (Field)f.GetValue(null)!)];
        Assert.HasCount(declared.Length, declared.Select(field => field.Name).Distinct());
        Assert.IsGreaterThan(10, declared.Length);
        var random = new Random(5);
        Example[] rows = [.. Enumerable.Range(0, 20).Select(_ => Example.Of(declared.Where(_ => random.Next(3) > 0).Select(field => (field, RandomValues(field, random))).ToArray()))];
        using var store = new ExampleStore(memoryLimit: 0);
        foreach (Example row in rows)
            store.Add(row);
        for (int i = 0; i < rows.Length; i++)
        {
            Assert.AreNotSame(rows[i], store[i]);
            AreEqual(rows[i], store[i]);
        }
    }

    private static Array RandomValues(Field field, Random random)
    {
        var bytes = new byte[random.Next(6) * sizeof(long)];
        random.NextBytes(bytes);
        return field.FromBytes(bytes);
    }

    private static Example Make(int i) => new()
    {
        Ids = [.. Enumerable.Range(i, 1 + i % 9)],
        TypeIds = [.. Enumerable.Range(0, 1 + i % 9).Select(t => (byte)(t % 2))],
        Labels = [.. Enumerable.Range(0, i % 3)],
        ReadPositions = [.. Enumerable.Range(0, i % 4)],
        Starts = [.. Enumerable.Range(0, i % 5)],
        Truncated = i % 2 == 0,
        SplitsToken = i % 3 == 0,
    };

    private static void AreEqual(Example expected, Example actual)
    {
        Assert.AreEqual(expected.Entries.Length, actual.Entries.Length);
        foreach (var ((field, values), (found, read)) in expected.Entries.ToArray().Zip(actual.Entries.ToArray()))
        {
            Assert.AreSame(field, found);
            CollectionAssert.AreEqual(values, read, field.Name);
        }
    }
}
