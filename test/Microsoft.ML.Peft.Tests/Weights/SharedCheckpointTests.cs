using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Tests.Checkpoints;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Weights;

/// <summary>One copy of a base's weights for all who stand on it.</summary>
[TestClass]
public sealed class SharedCheckpointTests
{
    public required TestContext TestContext { get; init; }

    [TestMethod]
    public void TwoUsersGetTheSameTensorsUntilTheLastIsGone()
    {
        string folder = Folder();
        using var first = SharedCheckpoint.Acquire(folder);
        var second = SharedCheckpoint.Acquire(folder + Path.DirectorySeparatorChar);
        SharedCheckpoint third = second.AddReference();
        Tensor weight = first.Get("w", 2, 3);
        Assert.AreSame(weight, third.Get("w"));
        second.Dispose();
        second.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => second.Get("w"));
        Assert.AreEqual(6f, third.Get("w").sum().item<float>());
        third.Dispose();
        Assert.IsFalse(weight.IsInvalid);
        first.Dispose();
        Assert.IsTrue(weight.IsInvalid);
    }

    [TestMethod]
    public void FloatingWeightsAreConvertedOnceAndOthersLeftAlone()
    {
        int before = MappedFile.LiveTensors;
        using var checkpoint = SharedCheckpoint.Acquire(Folder(), CPU, ScalarType.BFloat16);
        using (NewDisposeScope())
            checkpoint.Get("w");
        Assert.AreEqual(ScalarType.BFloat16, checkpoint.Get("w").dtype);
        Assert.AreEqual(before, MappedFile.LiveTensors, "the original is gone");
        Assert.AreEqual(ScalarType.Int64, checkpoint.Get("ids").dtype);
        Assert.IsFalse(checkpoint.Get("w").requires_grad);
    }

    [TestMethod]
    public void WeightsOfTheRightTypeAreNotCopied()
    {
        int before = MappedFile.LiveTensors;
        using var checkpoint = SharedCheckpoint.Acquire(Folder());
        checkpoint.Get("w");
        Assert.AreEqual(before + 1, MappedFile.LiveTensors);
    }

    [TestMethod]
    public void AChangedFileIsReadAgain()
    {
        string folder = Folder();
        using var old = SharedCheckpoint.Acquire(folder);
        SafetensorsWriter.WriteFile(Path.Combine(folder, "model.safetensors"), [("w", zeros(7))]);
        using var changed = SharedCheckpoint.Acquire(folder);
        CollectionAssert.AreEqual(new long[] { 7 }, changed.ShapeOf("w"));
        Assert.AreEqual(6f, old.Get("w").sum().item<float>());
    }

    [TestMethod]
    public void ManyThreadsGetOneTensor()
    {
        using var checkpoint = SharedCheckpoint.Acquire(Folder(), CPU, ScalarType.Float64);
        var found = new Tensor[64];
        Parallel.For(0, found.Length, i => found[i] = checkpoint.Get("w"));
        Assert.IsTrue(found.All(tensor => ReferenceEquals(tensor, found[0])));
    }

    [TestMethod]
    public void WeightsWithoutFilesHaveAHashOfTheirContents()
    {
        using var one = SharedCheckpoint.From(new InMemory(ones(3)));
        using var same = SharedCheckpoint.From(new InMemory(ones(3)));
        using var other = SharedCheckpoint.From(new InMemory(zeros(3)));
        Assert.AreEqual(one.ContentHash, same.ContentHash);
        Assert.AreNotEqual(one.ContentHash, other.ContentHash);
    }

    [TestMethod]
    public void AReferenceNobodyDisposedOfLetsGoInTheEnd()
    {
        string folder = Folder();
        int before = MappedFile.LiveTensors;
        Abandon(folder);
        for (int i = 0; i < 3 && MappedFile.LiveTensors > before; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        Assert.AreEqual(before, MappedFile.LiveTensors);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Abandon(string folder) => SharedCheckpoint.Acquire(folder).Get("w");

    [TestMethod]
    public void AWrongShapeNamesFileAndTensor()
    {
        using var checkpoint = SharedCheckpoint.Acquire(Folder());
        var error = Assert.ThrowsExactly<InvalidDataException>(() => checkpoint.Get("w", 3, 2));
        StringAssert.Contains(error.Message, "model.safetensors: tensor 'w': expected shape [3, 2], found [2, 3]");
    }

    [TestMethod]
    public void MissingAndUnexpectedNamesAreListed()
    {
        using var checkpoint = SharedCheckpoint.Acquire(Folder());
        checkpoint.ThrowIfIncomplete([], []);
        var error = Assert.ThrowsExactly<InvalidDataException>(() => checkpoint.ThrowIfIncomplete(["b", "a"], Enumerable.Range(0, 12).Select(i => $"x{i:00}")));
        StringAssert.Contains(error.Message, "2 missing: a, b; 12 unexpected: x00");
        StringAssert.Contains(error.Message, "x09, ...");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => checkpoint.Get("none")).Message, "'none'");
    }

    [TestMethod]
    public void TheContentHashIsThatOfTheFile()
    {
        string folder = Folder();
        using var checkpoint = SharedCheckpoint.Acquire(folder);
        byte[] expected = SHA256.HashData(File.ReadAllBytes(Path.Combine(folder, "model.safetensors")));
        Assert.AreEqual(Convert.ToHexStringLower(expected), checkpoint.ContentHash);
    }

    [TestMethod]
    public void AFolderWithoutWeightsSaysWhatWasLookedFor()
    {
        string folder = Checkpoints.Samples.NewFolder(TestContext);
        var error = Assert.ThrowsExactly<FileNotFoundException>(() => SharedCheckpoint.Acquire(folder));
        StringAssert.Contains(error.Message, folder);
        StringAssert.Contains(error.Message, "pytorch_model.bin.index.json");
    }

    private string Folder()
    {
        string folder = Checkpoints.Samples.NewFolder(TestContext);
        SafetensorsWriter.WriteFile(Path.Combine(folder, "model.safetensors"), [("w", ones(2, 3)), ("ids", arange(4, ScalarType.Int64))]);
        return folder;
    }

    private sealed class InMemory(Tensor tensor) : ITensorSource
    {
        public string Description => "memory";

        public IReadOnlyCollection<string> Names => ["w"];

        public long[] ShapeOf(string name) => tensor.shape;

        public Tensor Read(string name) => tensor.clone();

        public void Dispose() => tensor.Dispose();
    }
}
