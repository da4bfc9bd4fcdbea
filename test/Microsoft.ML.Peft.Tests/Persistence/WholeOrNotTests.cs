using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Checkpoints.Gguf;
using Microsoft.ML.Peft.Persistence;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>Files and folders appear whole or not at all, whoever writes them, whatever others left or are writing.</summary>
[TestClass]
public sealed class WholeOrNotTests
{
    private const string Content = "content";

    private static readonly Dictionary<string, Action<string>> s_writers = new()
    {
        ["a folder"] = target => NewFolder.Write(target, folder => File.WriteAllText(Path.Combine(folder, "new.txt"), Content)),
        ["a file"] = target => AtomicFile.Replace(target, stream => stream.Write("content"u8)),
        ["safetensors"] = target => SafetensorsWriter.WriteFile(target, [("a", ones(1))]),
        ["GGUF"] = target => GgufWriter.Write(target, [], []),
    };

    private readonly string _folder = Directory.CreateTempSubdirectory("whole-").FullName;

    public static IEnumerable<object[]> Writers => s_writers.Keys.Select(name => new object[] { name });

    private string Target => Path.Combine(_folder, "target");

    [TestCleanup]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DynamicData(nameof(Writers))]
    public void WhatAKilledRunLeftGoesAndIsNotPublished(string writer)
    {
        string name = $"{Target}.{Guid.NewGuid():N}.partial", file = $"{Target}.{Guid.NewGuid():N}.partial", fixedName = Target + ".partial";
        foreach (string folder in new[] { name, fixedName })
            File.WriteAllText(Path.Combine(Directory.CreateDirectory(folder).FullName, "model-00009-of-00009.safetensors"), "old");
        File.WriteAllText(name + ".lock", "");
        File.WriteAllText(file, "old");
        s_writers[writer](Target);
        CollectionAssert.AreEquivalent(new[] { Target, fixedName }, Directory.GetFileSystemEntries(_folder));
        if (Directory.Exists(Target))
            CollectionAssert.AreEqual(new[] { Path.Combine(Target, "new.txt") }, Directory.GetFileSystemEntries(Target));
    }

    [TestMethod]
    [DynamicData(nameof(Writers))]
    public void WhatAnotherIsWritingStays(string writer)
    {
        using (var other = new PartialPath(Target))
        {
            File.WriteAllText(other.Path, "being written");
            s_writers[writer](Target);
            Assert.AreEqual("being written", File.ReadAllText(other.Path));
        }
        CollectionAssert.AreEqual(new[] { Target }, Directory.GetFileSystemEntries(_folder));
    }

    [TestMethod]
    public void AFailureLeavesNothing()
    {
        Assert.ThrowsExactly<InvalidOperationException>(() => NewFolder.Write(Target, folder =>
        {
            File.WriteAllText(Path.Combine(folder, "half.txt"), Content);
            throw new InvalidOperationException();
        }));
        Assert.ThrowsExactly<InvalidOperationException>(() => AtomicFile.Replace(Target, stream =>
        {
            stream.WriteByte(1);
            throw new InvalidOperationException();
        }));
        Assert.IsEmpty(Directory.GetFileSystemEntries(_folder));
    }

    [TestMethod]
    public void OfTwoAtOnceOneIsPublishedWhole()
    {
        using var barrier = new Barrier(2);
        Exception?[] ends = new Exception?[2];
        Parallel.For(0, 2, new ParallelOptions { MaxDegreeOfParallelism = 2 }, i =>
        {
            try
            {
                NewFolder.Write(Target, folder =>
                {
                    barrier.SignalAndWait(TimeSpan.FromSeconds(20));
                    foreach (string name in new[] { "a", "b" })
                        File.WriteAllText(Path.Combine(folder, name), $"{i}");
                });
            }
            catch (IOException e)
            {
                ends[i] = e;
            }
        });
        Assert.HasCount(1, ends.Where(end => end is null));
        Assert.HasCount(1, Directory.GetFiles(Target).Select(File.ReadAllText).Distinct());
        CollectionAssert.AreEqual(new[] { Target }, Directory.GetFileSystemEntries(_folder));
    }

    [TestMethod]
    [DataRow("/models/x", "x")]
    [DataRow("/models/x/", "x")]
    [DataRow("/models/x//", "x")]
    [DataRow(@"C:\models\x", "x")]
    [DataRow(@"C:\models\x\", "x")]
    [DataRow(@"C:\models\x\/", "x")]
    [DataRow("C:/models/x.gguf", "x.gguf")]
    [DataRow(@"\\server\share\x", "x")]
    [DataRow("x", "x")]
    [DataRow("/", "")]
    [DataRow("", "")]
    public void AFolderHasANameOnAnySystem(string path, string name) => Assert.AreEqual(name, FolderName.Of(path));
}
