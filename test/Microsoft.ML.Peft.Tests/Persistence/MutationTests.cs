using System.IO.Compression;
using System.Reflection;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>Archives damaged at random load and score, or are refused, never worse.</summary>
[TestClass]
public sealed class MutationTests
{
    private const int Seed = 31;

    private static readonly Dictionary<string, byte[]> s_entries = [];
    private static byte[] s_archive = [];

    public required TestContext TestContext { get; init; }

    [ClassInitialize]
    public static void SaveAModel(TestContext _)
    {
        var context = TestDevice.NewContext(seed: 1);
        using var bert = new TinyBert();
        IDataView data = Review.Load(context, 8);
        using PeftTransformer model = context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = bert.Folder, Task = PeftTask.TextClassification(), Training = new TrainingOptions { MaxSteps = 1 },
        }).Fit(data);
        using var file = new MemoryStream();
        context.Model.Save(model, data.Schema, file);
        s_archive = file.ToArray();
        using var zip = new ZipArchive(file, ZipArchiveMode.Read);
        foreach (ZipArchiveEntry entry in zip.Entries)
        {
            using Stream content = entry.Open();
            using var bytes = new MemoryStream();
            content.CopyTo(bytes);
            s_entries.Add(entry.FullName, bytes.ToArray());
        }
    }

    /// <summary>Values of the manifest replaced or removed: the JSON stays whole.</summary>
    [TestMethod]
    public void ManifestValues() => ReadManifests(15_000, Mutants.OfJson);

    [TestMethod]
    public void ManifestBytes() => ReadManifests(10_000, Mutants.OfBytes);

    /// <summary>Bytes of the zip file, whose checksums are verified.</summary>
    [TestMethod]
    public void ZipBytes()
    {
        var random = new Random(Seed);
        int whole = 0;
        for (int i = 0; i < 5_000; i++)
        {
            byte[] mutant = Mutants.OfBytes(s_archive, random);
            whole += Refusal(mutant, () => ZipVerifier.Verify(new MemoryStream(mutant))) is null ? 1 : 0;
        }
        TestContext.WriteLine($"{whole} still whole.");
    }

    [TestMethod]
    public void LoadedManifests() => Load(1_500, random => Packed("manifest.json", bytes => Mutants.OfJson(bytes, random)));

    [TestMethod]
    [DataRow("tuned.safetensors", 750)]
    [DataRow("base.safetensors", 750)]
    [DataRow("tokenizer.tokenizer.json", 100)]
    public void LoadedEntries(string name, int count) => Load(count, random => Packed(name, bytes => Mutants.OfBytes(bytes, random)));

    [TestMethod]
    public void LoadedWithoutAnEntry()
    {
        int entry = 0;
        Load(s_entries.Count, _ => Packed("", bytes => bytes, without: s_entries.Keys.ElementAt(entry++)));
    }

    [TestMethod]
    public void LoadedBytes() => Load(1_000, random => Mutants.OfBytes(s_archive, random));

    private void ReadManifests(int count, Func<byte[], Random, byte[]> damage)
    {
        var random = new Random(Seed);
        byte[] manifest = s_entries.Single(e => e.Key.EndsWith("manifest.json", StringComparison.Ordinal)).Value;
        int read = 0;
        for (int i = 0; i < count; i++)
        {
            byte[] mutant = damage(manifest, random);
            read += Refusal(mutant, () => ArchiveSettings.Parse(mutant)) is null ? 1 : 0;
        }
        TestContext.WriteLine($"{count} mutants, {read} still read.");
    }

    /// <summary>Through the front door, and scores where it opens.</summary>
    private void Load(int count, Func<Random, byte[]> damage)
    {
        var random = new Random(Seed);
        var context = TestDevice.NewContext(seed: 1);
        IDataView rows = Review.Load(context, 6);
        var answers = new Dictionary<string, int>();
        for (int i = 0; i < count; i++)
        {
            byte[] mutant = damage(random);
            string answer = Refusal(mutant, () => Score(context, mutant, rows)) ?? "loaded";
            answers[answer] = answers.GetValueOrDefault(answer) + 1;
        }
        TestContext.WriteLine($"{count} mutants: {string.Join(", ", answers.Select(a => $"{a.Key} {a.Value}"))}.");
    }

    private static void Score(MLContext context, byte[] mutant, IDataView rows)
    {
        ITransformer model = context.Model.Load(new MemoryStream(mutant), out _);
        using var owned = model as IDisposable;
        IDataView scored;
        try
        {
            scored = model.Transform(rows);
        }
        catch (ArgumentException)
        {
            // Its column has another name now; that is for the caller to see.
            return;
        }
        Table.Read(scored, scored.Schema[^1].Name);
    }

    /// <summary>The kind of exception in which a mutant is refused; null where it is not.</summary>
    private static string? Refusal(byte[] mutant, Action read)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            read();
            return null;
        }
        catch (Exception e) when (Inner(e) is InvalidDataException or NotSupportedException or FileNotFoundException)
        {
            return Inner(e).GetType().Name;
        }
        catch (Exception e) when (!IsOurs(Inner(e)))
        {
            return "ML.NET's " + Inner(e).GetType().Name;
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"mutant {Convert.ToBase64String(mutant)}", e);
        }
        finally
        {
            Assert.IsLessThan(16 << 20, GC.GetAllocatedBytesForCurrentThread() - before, "memory");
        }
    }

    /// <summary>Whether our code was asked at all: much of a damaged archive is refused by ML.NET's own reader.</summary>
    private static bool IsOurs(Exception e) => e.StackTrace?.Split('\n').Any(line => line.Contains(" Microsoft.ML.Peft.", StringComparison.Ordinal)
        && !line.Contains(".Peft.Test", StringComparison.Ordinal)) == true;

    /// <summary>ML.NET calls loaders by reflection and wraps what they throw.</summary>
    private static Exception Inner(Exception e) => e is TargetInvocationException { InnerException: { } inner } ? Inner(inner) : e;

    /// <summary>An archive that is whole, with the content of one entry changed.</summary>
    private static byte[] Packed(string changed, Func<byte[], byte[]> change, string? without = null)
    {
        using var file = new MemoryStream();
        using (var zip = new ZipArchive(file, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (path, content) in s_entries.Where(e => e.Key != without))
            {
                using Stream stream = zip.CreateEntry(path, CompressionLevel.NoCompression).Open();
                stream.Write(changed.Length > 0 && path.EndsWith(changed, StringComparison.Ordinal) ? change(content) : content);
            }
        }
        return file.ToArray();
    }
}
