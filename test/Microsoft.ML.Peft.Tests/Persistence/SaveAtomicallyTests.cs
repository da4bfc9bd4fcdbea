using System.IO.Compression;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Persistence;

[TestClass]
public sealed class SaveAtomicallyTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("save-").FullName;

    private string Target => Path.Combine(_folder, "model.zip");

    [TestCleanup]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void ReplacesTheFileAndLeavesNothingBeside()
    {
        File.WriteAllText(Target, "old");
        _context.Model.SaveAtomically(Normalizer(), null, Target);
        Assert.IsNotNull(_context.Model.Load(Target, out _));
        Assert.HasCount(1, Directory.GetFiles(_folder));
    }

    [TestMethod]
    public void AFailureLeavesTheOldFile()
    {
        File.WriteAllText(Target, "old");
        Assert.Throws<IOException>(() => _context.Model.SaveAtomically(new Unsaveable(Normalizer()), null, Target));
        Assert.AreEqual("old", File.ReadAllText(Target));
        Assert.HasCount(1, Directory.GetFiles(_folder));
    }

    [TestMethod]
    public void AFlippedByteIsFound()
    {
        byte[] bytes = Zip("weights", "0123456789");
        ZipVerifier.Verify(new MemoryStream(bytes));
        bytes[bytes.AsSpan().IndexOf("0123456789"u8)] ^= 1;
        Assert.Contains("weights", Assert.Throws<InvalidDataException>(() => ZipVerifier.Verify(new MemoryStream(bytes))).Message);
    }

    private static byte[] Zip(string name, string content)
    {
        using var memory = new MemoryStream();
        using (var archive = new ZipArchive(memory, ZipArchiveMode.Create, leaveOpen: true))
        using (var writer = new StreamWriter(archive.CreateEntry(name, CompressionLevel.NoCompression).Open()))
            writer.Write(content);
        return memory.ToArray();
    }

    private ITransformer Normalizer() => _context.Transforms.NormalizeMinMax("Number").Fit(Review.Load(_context));

    /// <summary>A model that fails half-way.</summary>
    private sealed class Unsaveable(ITransformer inner) : ITransformer
    {
        public bool IsRowToRowMapper => inner.IsRowToRowMapper;

        public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => inner.GetOutputSchema(inputSchema);

        public Microsoft.ML.Data.IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => inner.GetRowToRowMapper(inputSchema);

        public IDataView Transform(IDataView input) => inner.Transform(input);

        void ICanSaveModel.Save(ModelSaveContext ctx) => throw new IOException("No space left on device.");
    }
}
