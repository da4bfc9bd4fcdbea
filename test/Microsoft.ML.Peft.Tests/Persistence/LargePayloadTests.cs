using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>A gigabyte of weights goes into an archive and comes out of it without passing through memory.</summary>
[TestClass]
public sealed class LargePayloadTests
{
    private const int Words = 1 << 24, Width = 16;
    private const long Gigabyte = 1L << 30, Needed = 5 * Gigabyte, Allowed = 100L << 20;

    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("large-").FullName;

    [TestCleanup]
    public void Delete()
    {
        _bert.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [TestMethod]
    public void AGigabyteStreams()
    {
        RequireRoom();
        Enlarge();
        string file = Path.Combine(_folder, "large.zip");
        IDataView rows = Review.Load(_context, 4);
        PeftTransformer model = _context.Peft().Embed(_bert.Folder).Fit(rows);
        IReadOnlyList<object> expected = Table.Read(model.Transform(rows), "Embedding");

        Measure("Save", () => _context.Model.Save(model, rows.Schema, file));
        Measure("SaveAtomically", () => _context.Model.SaveAtomically(model, rows.Schema, file));
        model.Dispose();
        Assert.IsGreaterThanOrEqualTo(Gigabyte, StoredEntry.Find(file, "base.safetensors").Length);
        int mapped = MappedFile.LiveTensors;
        ITransformer loaded = null!;
        Measure("Load", () => loaded = _context.Model.Load(file, out _));
        using var owned = (IDisposable)loaded;
        if (OperatingSystem.IsLinux())
            Assert.IsGreaterThan(mapped, MappedFile.LiveTensors, "The weights are mapped.");
        Table.AreClose(expected, Table.Read(loaded.Transform(rows), "Embedding"), 0, "embeddings");
    }

    private void RequireRoom()
    {
        long free = new DriveInfo(_folder).AvailableFreeSpace;
        if (free >= Needed)
            return;
        Console.WriteLine($"Not run: {free >> 20} MB are free for temporary files, {Needed >> 20} are needed.");
        Assert.Inconclusive("The disk is too small.");
    }

    /// <summary>Gives the model a vocabulary of sixteen million words: a table of 1 GB, most of it a hole in the file.</summary>
    private void Enlarge()
    {
        string config = Path.Combine(_bert.Folder, "config.json"), weights = Path.Combine(_bert.Folder, "model.safetensors");
        JsonNode json = JsonNode.Parse(File.ReadAllText(config))!;
        json["vocab_size"] = Words;
        File.WriteAllText(config, json.ToJsonString());
        using (var scope = torch.NewDisposeScope())
        using (ITensorSource source = SafetensorsFile.Open(weights))
            WriteEnlarged(weights + ".new", source.Names.ToDictionary(name => name, source.Read));
        File.Move(weights + ".new", weights, overwrite: true);
    }

    private static void WriteEnlarged(string path, Dictionary<string, torch.Tensor> tensors)
    {
        string table = tensors.Keys.Single(name => name.EndsWith("word_embeddings.weight", StringComparison.Ordinal));
        using FileStream file = File.Create(path);
        // The header alone knows how large the table is; it comes last, and what is not written of it reads as zero.
        var order = tensors.Where(t => t.Key != table).Append(KeyValuePair.Create(table, tensors[table])).ToList();
        long offset = 0;
        var header = new JsonObject();
        foreach (var (name, tensor) in order)
        {
            long[] shape = name == table ? [Words, Width] : tensor.shape;
            long end = offset + 4 * shape.Aggregate(1L, (product, size) => product * size);
            header[name] = new JsonObject
            {
                ["dtype"] = "F32",
                ["shape"] = new JsonArray([.. shape.Select(size => (JsonNode)size)]),
                ["data_offsets"] = new JsonArray(offset, end),
            };
            offset = end;
        }
        byte[] text = System.Text.Encoding.UTF8.GetBytes(header.ToJsonString());
        text = [.. text, .. Enumerable.Repeat((byte)' ', -text.Length & 7)];
        file.Write(BitConverter.GetBytes((long)text.Length));
        file.Write(text);
        foreach (var (_, tensor) in order)
            NativeTensor.VisitBytes(tensor, file.Write);
        file.SetLength(8 + text.Length + offset);
    }

    /// <summary>Prints an action's time, and holds what it takes of memory that is no file's.</summary>
    private static void Measure(string what, Action action)
    {
        GC.Collect();
        long before = ProcessMemory.Anonymous(), peak = before;
        using (var stop = new ManualResetEventSlim())
        {
            var watcher = new Thread(() =>
            {
                while (!stop.Wait(5))
                    peak = Math.Max(peak, ProcessMemory.Anonymous());
            });
            watcher.Start();
            long start = Stopwatch.GetTimestamp();
            action();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {Stopwatch.GetElapsedTime(start).TotalSeconds:F2} s"));
            stop.Set();
            watcher.Join();
        }
        peak = Math.Max(peak, ProcessMemory.Anonymous());
        Console.WriteLine($"{what}: {(peak - before) >> 20} MB at its peak.");
        Assert.IsLessThan(Allowed, peak - before, what);
    }
}
