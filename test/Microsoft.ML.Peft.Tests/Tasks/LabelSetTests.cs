using Microsoft.ML.Data;
using Microsoft.ML.Peft.Tasks;

namespace Microsoft.ML.Peft.Tests.Tasks;

/// <summary>Values go through an archive as text and come back as they were.</summary>
[TestClass]
public sealed class LabelSetTests
{
    [TestMethod]
    public void ValuesComeBackInTheirType()
    {
        Check<float>(NumberDataViewType.Single, [0.1f, float.MaxValue, -1e-30f]);
        Check(NumberDataViewType.Double, [Math.PI, double.Epsilon]);
        Check(NumberDataViewType.Int64, [long.MinValue, long.MaxValue]);
        Check<byte>(NumberDataViewType.Byte, [0, 255]);
        string[] texts = ["", "a b", "é"];
        CollectionAssert.AreEqual(texts, Again(TextDataViewType.Instance, texts.Select(text => text.AsMemory())).Values<ReadOnlyMemory<char>>().Select(text => text.ToString()).ToArray());
    }

    [TestMethod]
    public void ATypeThatNoArchiveKeepsIsRefused() =>
        Assert.Contains("not supported", Assert.ThrowsExactly<ArgumentException>(() => LabelSet.Of(DateTimeDataViewType.Instance, [])).Message);

    private static void Check<T>(PrimitiveDataViewType type, T[] values) => CollectionAssert.AreEqual(values, Again(type, values).Values<T>());

    private static LabelSet Again<T>(PrimitiveDataViewType type, IEnumerable<T> values) =>
        LabelSet.FromJson(LabelSet.Of(type, [.. values.Select(value => LabelSet.NameOf(value))]).ToJson());
}
