using Microsoft.ML.Peft.Checkpoints.Gguf;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Checkpoints.Gguf;

/// <summary>The container: values of all types, tensors in place, and files that lie.</summary>
[TestClass]
public sealed class GgufFileTests
{
    public required TestContext TestContext { get; init; }

    [TestMethod]
    [DataRow(2u)]
    [DataRow(3u)]
    public void MetadataOfEveryTypeAreRead(uint version)
    {
        var builder = new GgufBuilder { Version = version };
        object[] integers = [(byte)200, (sbyte)-100, (ushort)60000, (short)-30000, 4000000000u, -2000000000, 1UL << 40, -(1L << 40)];
        for (int i = 0; i < integers.Length; i++)
            builder.Set($"i{i}", integers[i]);
        builder.Set("f", 1e-5f).Set("d", 0.1).Set("yes", true).Set("text", "naïve 🎉").Set("texts", new[] { "a", "", "ü" }).Set("numbers", new[] { 1, -2 })
            .Set("singles", new[] { 0.5f }).Set("nested", new[] { new[] { 1u }, new[] { 2u, 3u } }).Set("none", Array.Empty<uint>());
        using GgufFile file = Open(builder);
        GgufMetadata metadata = file.Metadata;
        CollectionAssert.AreEqual(
            new long?[] { 200, -100, 60000, -30000, 4000000000, -2000000000, 1L << 40, -(1L << 40) },
            Enumerable.Range(0, integers.Length).Select(i => metadata.Integer($"i{i}")).ToArray());
        Assert.AreEqual((1e-5, 0.1, 200.0), (metadata.Number("f"), metadata.Number("d"), metadata.Number("i0")));
        Assert.AreEqual((true, "naïve 🎉"), (metadata.Flag("yes"), metadata.Text("text")));
        CollectionAssert.AreEqual(new[] { "a", "", "ü" }, metadata.Texts("texts"));
        CollectionAssert.AreEqual(new[] { 1, -2 }, metadata.Int32s("numbers"));
        CollectionAssert.AreEqual(new[] { 0.5f }, metadata.Singles("singles"));
        Assert.IsTrue(metadata.Has("nested") && metadata.Has("none"));
        Assert.IsTrue(metadata.Integer("absent") is null && metadata.Text("absent") is null && metadata.Texts("absent") is null);
    }

    [TestMethod]
    public void AValueOfAnotherTypeIsNamed()
    {
        using GgufFile file = Open(new GgufBuilder().Set("key", "text").Set("big", ulong.MaxValue).Set("list", new[] { 1u }).Set("nan", float.NaN));
        foreach (Action read in new Action[] { () => file.Metadata.Integer("key"), () => file.Metadata.Flag("key"), () => file.Metadata.Texts("key"), () => file.Metadata.Number("key") })
            Assert.Contains("'key'", Assert.ThrowsExactly<InvalidDataException>(read).Message);
        Assert.Contains("'big'", Assert.ThrowsExactly<InvalidDataException>(() => file.Metadata.Integer("big")).Message);
        Assert.Contains("UInt32", Assert.ThrowsExactly<InvalidDataException>(() => file.Metadata.Int32s("list")).Message);
        Assert.Contains("'nan'", Assert.ThrowsExactly<InvalidDataException>(() => file.Metadata.Number("nan")).Message);
    }

    [TestMethod]
    [DataRow(32)]
    [DataRow(256)]
    public void SinglesAreMappedWhereTheyLie(int alignment)
    {
        using DisposeScope scope = NewDisposeScope();
        var builder = new GgufBuilder { Alignment = alignment };
        using GgufFile file = Open(builder.Set("general.alignment", (uint)alignment).Add("a", TinyGguf.Numbers(3, 5)).Add("b", TinyGguf.Numbers(7)));
        int before = MappedFile.LiveTensors;
        Tensor a = file.Read("a"), b = file.Read("b");
        Assert.AreEqual(before + 2, MappedFile.LiveTensors);
        CollectionAssert.AreEqual(new long[] { 3, 5 }, a.shape);
        Assert.AreEqual((14f, 6f), (a[2, 4].item<float>(), b[6].item<float>()));
    }

    /// <summary>Long enough for several threads, with a last stretch that is not full.</summary>
    [TestMethod]
    public void ALongTensorIsDecodedInPieces()
    {
        const int Blocks = 5003;
        byte[] data = new byte[Blocks * 34];
        for (int block = 0; block < Blocks; block++)
        {
            BitConverter.TryWriteBytes(data.AsSpan(block * 34), (Half)(block % 7));
            data.AsSpan(block * 34 + 2, 32).Fill((byte)(sbyte)(block % 5 - 2));
        }
        using GgufFile file = Open(new GgufBuilder().Add("w", 8, [Blocks, 32], data));
        using Tensor values = file.Read("w");
        float[] read = values.data<float>().ToArray();
        for (int i = 0; i < read.Length; i++)
            Assert.AreEqual((float)(i / 32 % 7 * (i / 32 % 5 - 2)), read[i]);
    }

    /// <summary>Decoding must not be what loading waits for.</summary>
    [TestMethod]
    [DataRow(2u, 32, 18)]
    [DataRow(3u, 32, 20)]
    [DataRow(6u, 32, 22)]
    [DataRow(7u, 32, 24)]
    [DataRow(8u, 32, 34)]
    [DataRow(10u, 256, 84)]
    [DataRow(11u, 256, 110)]
    [DataRow(12u, 256, 144)]
    [DataRow(13u, 256, 176)]
    [DataRow(14u, 256, 210)]
    public void DecodingIsFast(uint type, int elements, int bytes)
    {
        const int Count = 1 << 23;
        GgufType format = GgufType.Find(type)!;
        Assert.AreEqual((elements, bytes), (format.BlockSize, format.BlockBytes));
        // A wall-clock bound holds on a quiet machine alone: on a busy one it says nothing of the code.
        if (Environment.GetEnvironmentVariable("PEFT_BENCHMARK") != "1")
            Assert.Inconclusive("Set PEFT_BENCHMARK=1 to measure.");
        byte[] data = new byte[Count / elements * bytes];
        new Random(1).NextBytes(data);
        using GgufFile file = Open(new GgufBuilder().Add("w", type, [Count / elements, elements], data));
        double best = Enumerable.Range(0, 5).Min(_ =>
        {
            var watch = System.Diagnostics.Stopwatch.StartNew();
            using Tensor values = file.Read("w");
            return watch.Elapsed.TotalSeconds;
        });
        double rate = Count * sizeof(float) / best / 1e6 / Environment.ProcessorCount;
        TestContext.WriteLine($"{format.Name}: {rate:F0} MB/s of values a core");
        Assert.IsGreaterThan(300, rate);
    }

    [TestMethod]
    public void EveryTruncationIsRefused()
    {
        byte[] whole = TinyGguf.Llama().ToBytes();
        // The padding behind the last tensor may be missing.
        for (int length = 1; length < whole.Length - 32; length += length < 2000 ? 1 : 97)
        {
            string path = Path.Combine(TestContext.TestRunDirectory!, "truncated.gguf");
            File.WriteAllBytes(path, whole[..length]);
            Assert.Contains(path, Assert.ThrowsExactly<InvalidDataException>(() => GgufFile.Open(path).Dispose(), $"{length} bytes").Message);
        }
    }

    [TestMethod]
    public void LiesAreRefusedByName()
    {
        Refused(new GgufBuilder { Version = 3, TensorCount = 1UL << 60 }, "the header", "count");
        Refused(new GgufBuilder { PairCount = ulong.MaxValue }, "the header", "count");
        Refused(new GgufBuilder().Set("k", 1u).Set("k", 2u), "'k'", "two");
        Refused(new GgufBuilder().SetRaw("k", 13), "'k'", "13");
        Refused(new GgufBuilder().SetRaw("k", 8, [.. BitConverter.GetBytes(1UL << 62)]), "'k'", $"{1UL << 62}");
        Refused(new GgufBuilder().SetRaw("k", 9, [.. BitConverter.GetBytes(8u), .. BitConverter.GetBytes(1UL << 61)]), "'k'", "count");
        Refused(new GgufBuilder().SetRaw("k", 9, [.. BitConverter.GetBytes(12u), .. BitConverter.GetBytes(1UL << 61)]), "'k'", "count");
        Refused(new GgufBuilder().SetRaw("k", 9, [.. Enumerable.Repeat(new byte[] { 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 }, 40).SelectMany(b => b)]), "'k'", "deep");
        Refused(new GgufBuilder().Set("general.alignment", 24u), "general.alignment", "24");
        Refused(new GgufBuilder().Set("general.alignment", 0u), "general.alignment", "0");
        Refused(new GgufBuilder().Add("w", 0, [1, 1, 1, 1, 2], new byte[32]), "'w'", "5");
        Refused(new GgufBuilder().Add("w", 0, [1L << 62, 8], new byte[32]), "'w'", "2^63");
        Refused(new GgufBuilder().Add("w", 0, [-1], new byte[32]), "'w'", "2^63");
        Refused(new GgufBuilder().Add("w", 0, [9], new byte[32]), "'w'", "36 bytes");
        Refused(new GgufBuilder().Add("w", 0, [8], new byte[32], offset: -32), "'w'", "2^63");
        Refused(new GgufBuilder().Add("w", 0, [8], new byte[32], offset: 64), "'w'", "32 bytes");
        Refused(new GgufBuilder().Add("w", 0, [1], new byte[64], offset: 4), "'w'", "multiple");
        Refused(new GgufBuilder().Add("v", 0, [8], new byte[32]).Add("w", 0, [8], new byte[32], offset: 0), "overlap");
        Refused(new GgufBuilder().Add("w", 0, [8], new byte[32]).Add("w", 0, [8], new byte[32]), "'w'", "two");
        Refused(new GgufBuilder().Add("w", 2, [2, 16], new byte[32]), "'w'", "Q4_0");
        Refused(new GgufBuilder().Add("w", 14, [32], new byte[224]), "'w'", "256");
    }

    [TestMethod]
    public void WhatIsNotReadIsSaid()
    {
        NotSupported(new GgufBuilder { Version = 1 }, "version 1");
        NotSupported(new GgufBuilder { Version = 0x03000000 }, "big-endian");
        NotSupported(new GgufBuilder().Add("w", 20, [32], new byte[32]), "'w'", "type 20", "Q6_K");
        NotSupported(new GgufBuilder().Set("split.count", (ushort)3), "3 parts");
        string text = Path.Combine(TestContext.TestRunDirectory!, "text.gguf");
        File.WriteAllText(text, "once upon a time there was a model");
        Assert.Contains("GGUF", Assert.ThrowsExactly<InvalidDataException>(() => GgufFile.Open(text)).Message);
    }

    private GgufFile Open(GgufBuilder builder) => GgufFile.Open(builder.Write(Path.Combine(Samples.NewFolder(TestContext), "model.gguf")));

    private void Refused(GgufBuilder builder, params string[] words) => Throws<InvalidDataException>(builder, words);

    private void NotSupported(GgufBuilder builder, params string[] words) => Throws<NotSupportedException>(builder, words);

    private void Throws<T>(GgufBuilder builder, string[] words) where T : Exception
    {
        string message = Assert.ThrowsExactly<T>(() => Open(builder).Dispose(), string.Join(' ', words)).Message;
        foreach (string word in words.Append("model.gguf"))
            Assert.Contains(word, message);
    }
}
