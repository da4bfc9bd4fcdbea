using System.IO.Compression;
using System.Text;
using Microsoft.ML.Peft.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Checkpoints;

/// <summary>Files of torch.save: what they hold, and that nothing in them is run.</summary>
[TestClass]
public sealed class PyTorchFileTests
{
    public required TestContext TestContext { get; init; }

    [TestMethod]
    public void TheZipLayoutIsRead() => CheckContents(Pickles.Zip(Pickles.StateDict));

    [TestMethod]
    public void AWrappedStateDictIsFound() => CheckContents(Pickles.Zip(Pickles.Wrapped));

    [TestMethod]
    public void TheOlderLayoutIsRead() => CheckContents(Pickles.Legacy);

    [TestMethod]
    public void OtherGlobalsAreRefusedByName()
    {
        var error = Assert.ThrowsExactly<InvalidDataException>(() => Open(Pickles.Zip(Pickles.Command)));
        StringAssert.Contains(error.Message, "posix.system");
        StringAssert.Contains(error.Message, "pytorch_model.bin");
    }

    [TestMethod]
    public void CompressedEntriesAreRefused() =>
        Assert.ThrowsExactly<NotSupportedException>(() => Open(Pickles.Zip(Pickles.StateDict, CompressionLevel.Optimal)));

    [TestMethod]
    public void OtherProtocolsAreRefused() => Assert.ThrowsExactly<NotSupportedException>(() => Open(Pickles.Zip([0x80, 4, (byte)'N', (byte)'.'])));

    [TestMethod]
    public void ATruncatedFileIsRefused()
    {
        byte[] zip = Pickles.Zip(Pickles.StateDict);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Open(zip[..^30])).Message, "cut off");
        Assert.ThrowsExactly<InvalidDataException>(() => Open(Pickles.Legacy[..^5]));
        Assert.ThrowsExactly<InvalidDataException>(() => Open([]));
    }

    [TestMethod]
    public void ATensorBeyondItsStorageIsRefused()
    {
        // "w" is the first with shape (2, 3): BININT1 2, BININT1 3, TUPLE2.
        byte[] pickle = [.. Pickles.StateDict];
        pickle[pickle.AsSpan().IndexOf("K\u0002K\u0003"u8) + 1] = 200;
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Open(Pickles.Zip(pickle))).Message, "shape [200, 3]");
    }

    [TestMethod]
    public void ATensorOfMoreElementsThanItsStorageIsRefused()
    {
        // Strides (3, 1) of "w" become (0, 0), so that shape [200, 3] stays within the storage.
        byte[] pickle = [.. Pickles.StateDict];
        int shape = pickle.AsSpan().IndexOf("K\u0002K\u0003"u8), strides = pickle.AsSpan().IndexOf("K\u0003K\u0001"u8);
        (pickle[shape + 1], pickle[strides + 1], pickle[strides + 3]) = (200, 0, 0);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Open(Pickles.Zip(pickle))).Message, "strides [0, 0]");
    }

    [TestMethod]
    public void AStorageOfTheWrongLengthIsRefused()
    {
        string text = Encoding.Latin1.GetString(Pickles.StateDict).Replace("FloatStorage", "DoubleStorage");
        var error = Assert.ThrowsExactly<InvalidDataException>(() => Open(Pickles.Zip(Encoding.Latin1.GetBytes(text))));
        StringAssert.Contains(error.Message, "tensor 'w': expected 10 elements of Float64 in storage '0', found 40 bytes");
    }

    private void CheckContents(byte[] bytes)
    {
        using DisposeScope scope = NewDisposeScope();
        using ITensorSource source = Open(bytes);
        CollectionAssert.AreEquivalent(new[] { "w", "w.t", "ids", "scalar" }, source.Names.ToArray());
        CollectionAssert.AreEqual(new long[] { 3, 2 }, source.ShapeOf("w.t"));
        Assert.IsTrue(source.Read("w").Equals(arange(6, ScalarType.Float32).reshape(2, 3)));
        Assert.IsTrue(source.Read("w.t").Equals(arange(4, 10, ScalarType.Float32).reshape(2, 3).t()));
        Assert.IsTrue(source.Read("ids").Equals(tensor([7L, -8L])));
        Assert.AreEqual(9f, source.Read("scalar").item<float>());
    }

    private ITensorSource Open(byte[] bytes)
    {
        string folder = Samples.NewFolder(TestContext);
        File.WriteAllBytes(Path.Combine(folder, "pytorch_model.bin"), bytes);
        return CheckpointFolder.Open(folder);
    }
}
