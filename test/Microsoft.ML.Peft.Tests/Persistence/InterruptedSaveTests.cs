using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tests.ChildProcess;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>However a save ends, the file that was there, or the whole new one, loads.</summary>
[TestClass]
public sealed class InterruptedSaveTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _folder = MemoryFolder.Create("save-");

    private DataViewSchema Schema => field ??= Review.Load(_context).Schema;

    private string Target => Path.Combine(_folder, "model.zip");

    // ML.NET writes each entry to a file of its own first.
    [TestInitialize]
    public void KeepEntriesInMemory() => _context.TempFilePath = Directory.CreateDirectory(Path.Combine(_folder, "entries")).FullName;

    [TestCleanup]
    public void Delete()
    {
        _bert.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>The write fails for good (a full disk), or once (what ML.NET swallows must not pass for a whole file).</summary>
    [TestMethod]
    [DataRow(false, 1, DisplayName = "for good")]
    [DataRow(true, 4, DisplayName = "once, every fourth byte")]
    public void AWriteMayFailAtAnyByte(bool once, int step)
    {
        using PeftTransformer model = Fit(embed: false);
        long size = 0;
        Save(model, path => new FailingFile(path, long.MaxValue, once) { OnWrite = count => size += count });
        // Each failure is to leave it as it is.
        byte[] old = SaveAnother();
        for (long failAt = 0; failAt < size; failAt += step)
        {
            Exception error = Assert.Throws<Exception>(() => Save(model, path => new FailingFile(path, failAt, once)), $"at byte {failAt}");
            Assert.IsTrue(error is IOException or InvalidDataException, $"at byte {failAt}: {error}");
            Assert.IsTrue(old.AsSpan().SequenceEqual(File.ReadAllBytes(Target)), $"at byte {failAt}");
            Assert.HasCount(1, Directory.GetFiles(_folder));
        }
        Assert.IsGreaterThan(1000, size);
        Assert.IsNotNull(_context.Model.Load(Target, out _));
    }

    [TestMethod]
    public void AFailingFlushLeavesTheOldFile()
    {
        using PeftTransformer model = Fit(embed: false);
        byte[] old = SaveAnother();
        Assert.Throws<IOException>(() => Save(model, path => new FailingFile(path, long.MaxValue, once: false) { FailsToFlush = true }));
        CollectionAssert.AreEqual(old, File.ReadAllBytes(Target));
        Assert.HasCount(1, Directory.GetFiles(_folder));
    }

    /// <summary>A disk that keeps another byte than it was given.</summary>
    [TestMethod]
    public void AFlippedByteOfTheBaseLeavesTheOldFile()
    {
        using PeftTransformer model = Fit(embed: true);
        string whole = SaveSource();
        var (start, length) = StoredEntry.Find(whole, "base.safetensors");
        byte[] old = SaveAnother();
        var random = new Random(8);
        for (int i = 0; i < 50; i++)
        {
            long at = start + random.NextInt64(length);
            string message = Assert.Throws<InvalidDataException>(
                () => Save(model, path => new FailingFile(path, long.MaxValue, once: false) { FlipAt = at }), $"byte {at}").Message;
            Assert.Contains("base.safetensors", message);
            CollectionAssert.AreEqual(old, File.ReadAllBytes(Target));
        }
    }

    [TestMethod]
    public void AKilledProcessLeavesAFileThatLoads()
    {
        string source = SaveSource();
        SaveAnother();
        var random = new Random(5);
        for (int kill = 0; kill < 5; kill++)
        {
            using Process process = Commands.Child.Start("save-forever", source, Target);
            Assert.AreEqual("saving", process.StandardOutput.ReadLine());
            Thread.Sleep(random.Next(60));
            process.Kill();
            process.WaitForExit();
            Assert.AreEqual(137, process.ExitCode, "SIGKILL");
            Assert.IsNotNull(_context.Model.Load(Target, out _));
        }
    }

    [TestMethod]
    public void AFileThatMayNotGrowLeavesTheOldOne()
    {
        RequireLinux();
        string source = SaveSource();
        long size = new FileInfo(source).Length;
        SaveAnother();
        foreach (long limit in new[] { size / 8, size / 2, size - 1 })
        {
            string[] output = Commands.Child.Run("save-without-space", source, Target, limit.ToString(CultureInfo.InvariantCulture));
            Assert.Contains(output[0], new[] { nameof(IOException), nameof(InvalidDataException) });
            CollectionAssert.AreEqual(new[] { "model.zip" }, output[1..]);
        }
    }

    /// <summary>A file system of 16 KB, in a name space of its own.</summary>
    [TestMethod]
    public void AFullDiskLeavesTheOldFile()
    {
        RequireLinux();
        string source = SaveSource();
        SaveAnother();
        string disk = Path.Combine(_folder, "disk");
        Directory.CreateDirectory(disk);
        string command = $"mount -t tmpfs -o size=16k none '{disk}' && cp '{Target}' '{disk}' && exec dotnet "
            + string.Join(' ', Commands.Child.CommandLine("save-without-space", source, Path.Combine(disk, "model.zip")).Select(word => $"'{word}'"));
        if (!CanMount(disk))
            Assert.Inconclusive("This system lets no user mount a file system (unshare -Urm).");
        Assert.IsGreaterThan(16 << 10, new FileInfo(source).Length, "The disk is too small.");
        string[] output = ChildProgram.Finish(ChildProgram.Start(new ProcessStartInfo("unshare", ["-Urm", "sh", "-c", command])));
        Assert.Contains(output[0], new[] { nameof(IOException), nameof(InvalidDataException) });
        CollectionAssert.AreEqual(new[] { "model.zip" }, output[1..]);
    }

    private static void RequireLinux()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("Limits on files and mounts are set the Linux way.");
    }

    private static bool CanMount(string folder)
    {
        try
        {
            using Process process = ChildProgram.Start(new ProcessStartInfo("unshare", ["-Urm", "mount", "-t", "tmpfs", "none", folder]));
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private PeftTransformer Fit(bool embed) => _context.Peft().LinearProbe(new LinearProbe.Options
    {
        BaseModel = _bert.Folder,
        Task = PeftTask.TextClassification(),
        Training = new TrainingOptions { MaxSteps = 1 },
        EmbedBase = embed,
    }).Fit(Review.Load(_context));

    private void Save(PeftTransformer model, Func<string, FileStream> create) =>
        PeftModelExtensions.SaveAtomically(_context.Model, model, Schema, Target, create);

    /// <summary>A model to be saved by another process.</summary>
    private string SaveSource()
    {
        string source = Path.Combine(Directory.CreateDirectory(Path.Combine(_folder, "source")).FullName, "source.zip");
        using PeftTransformer model = Fit(embed: true);
        _context.Model.SaveAtomically(model, Schema, source);
        return source;
    }

    /// <summary>The file that is there before.</summary>
    private byte[] SaveAnother()
    {
        IDataView data = Review.Load(_context);
        _context.Model.SaveAtomically(_context.Transforms.NormalizeMinMax("Number").Fit(data), data.Schema, Target);
        return File.ReadAllBytes(Target);
    }
}
