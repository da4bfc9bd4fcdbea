using Microsoft.ML.Peft.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Data;

[TestClass]
public sealed class BatchTests
{
    private static readonly Field<int> s_second = new("second_input_ids", Collation.Padded) { MaskName = "second_attention_mask" };

    [TestMethod]
    public void RowsArePaddedToTheirLongestAndMasked()
    {
        using Batch batch = Collate(new Example { Ids = [7, 8, 9], TypeIds = [0, 0, 1], ReadPositions = [1], Labels = [4] },
            new Example { Ids = [5], ReadPositions = [0, 0], Labels = [3, -100] });
        AreEqual([7, 8, 9, 5, 0, 0], [2, 3], batch.Ids);
        AreEqual([1, 1, 1, 1, 0, 0], [2, 3], batch.Mask!.to(ScalarType.Int64));
        AreEqual([0, 0, 1, 0, 0, 0], [2, 3], batch.TypeIds!);
        AreEqual([1, 0, 0, 0], [2, 2], batch.ReadPositions!);
        AreEqual([4, -100, 3, -100], [2, 2], batch.Labels!);
    }

    [TestMethod]
    public void WhatNobodyNeedsIsNotMade()
    {
        using Batch batch = Batch.Collate([new Example { Ids = [7], TypeIds = [0], Label = 2 }, new Example { Ids = [8], TypeIds = [0], Label = 1 }], CPU, withLabels: false);
        Assert.IsNull(batch.Mask ?? batch.TypeIds ?? batch.ReadPositions ?? batch.Labels ?? batch.Texts ?? batch.Pixels);
    }

    [TestMethod]
    public void ATextOfNoTokenIsPadding()
    {
        using Batch batch = Collate(new Example { Ids = [] });
        AreEqual([0], [1, 1], batch.Ids);
        AreEqual([0], [1, 1], batch.Mask!.to(ScalarType.Int64));
    }

    [TestMethod]
    public void PackedTextsAreNumbered()
    {
        using Batch batch = Collate(new Example { Ids = [1, 2, 3, 4], Starts = [0, 3] }, new Example { Ids = [9, 9, 9] });
        AreEqual([0, 0, 0, 1, 0, 0, 0, 0], [2, 4], batch.Texts!);
        AreEqual([0, 1, 2, 0, 0, 1, 2, 0], [2, 4], batch.PositionIds!);
    }

    [TestMethod]
    public void AClassIsOneNumberARowAndTargetsAreStacked()
    {
        using Batch classes = Collate(new Example { Ids = [1], Label = 2 }, new Example { Ids = [1], Label = 0 });
        AreEqual([2, 0], [2], classes.Labels!);
        Example row = new Example { Ids = [1] }.With(Fields.Targets, [0.5f, -1f]);
        using Batch numbers = Collate(row, row);
        Assert.AreEqual(ScalarType.Float32, numbers.Labels!.dtype);
        CollectionAssert.AreEqual(new[] { 0.5f, -1f, 0.5f, -1f }, numbers.Labels.data<float>().ToArray());
    }

    [TestMethod]
    public void RowsThatDoNotStackAreRefusedByTheFieldsName()
    {
        Example row = new() { Ids = [1] };
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
            () => Collate(row.With(Fields.Targets, [1f]), row.With(Fields.Targets, [1f, 2f]))).Message, "'targets'");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => Collate(row.With(Fields.Label, [1]), row)).Message, "'label'");
    }

    [TestMethod]
    public void ASecondTextNeedsNoMoreThanItsField()
    {
        using Batch batch = Collate(new Example { Ids = [1] }.With(s_second, [2, 3]), new Example { Ids = [1] }.With(s_second, [4]));
        AreEqual([2, 3, 4, 0], [2, 2], batch[s_second.TensorName]!);
        AreEqual([1, 1, 1, 0], [2, 2], batch["second_attention_mask"]!.to(ScalarType.Int64));
    }

    [TestMethod]
    public void ATensorThatIsNotThereIsNamed()
    {
        using Batch batch = new() { Pixels = zeros(1, 3, 2, 2), Examples = [] };
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => batch.Ids).Message;
        StringAssert.Contains(message, "'input_ids'");
        StringAssert.Contains(message, "pixel_values");
    }

    [TestMethod]
    public void PicturesStayAsTheyWereEncoded()
    {
        using Batch batch = Collate(new Example().With<byte>(Fields.Picture, [1, 2, 3]));
        Assert.IsNull(batch.Pixels);
        CollectionAssert.AreEqual(new byte[] { 1, 2, 3 }, batch.Examples[0].Get(Fields.Picture));
    }

    private static Batch Collate(params Example[] rows) => Batch.Collate(rows, CPU, withLabels: true);

    private static void AreEqual(long[] expected, long[] shape, Tensor actual)
    {
        Assert.AreEqual(ScalarType.Int64, actual.dtype);
        CollectionAssert.AreEqual(shape, actual.shape);
        CollectionAssert.AreEqual(expected, actual.contiguous().data<long>().ToArray());
    }
}
