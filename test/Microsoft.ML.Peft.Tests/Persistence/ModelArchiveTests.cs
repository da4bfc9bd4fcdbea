using System.Globalization;
using System.IO.Compression;
using System.Reflection;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Persistence;

[TestClass]
public sealed class ModelArchiveTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _file = Path.GetTempFileName();

    [TestCleanup]
    public void Delete()
    {
        if (Directory.Exists(_bert.Folder))
            _bert.Dispose();
        File.Delete(_file);
    }

    [TestMethod]
    public void AnEmbeddedBaseNeedsNoFolder()
    {
        PeftTransformer model = Fit(embed: true);
        var expected = Scores(model);
        Save(model);
        _bert.Dispose();
        using PeftTransformer loaded = Load();
        Table.AreClose(expected, Scores(loaded), 0, "scores");
    }

    [TestMethod]
    public void ALoadedModelSavesAndLoadsAgain()
    {
        PeftTransformer model = Fit(embed: true);
        Save(model);
        using PeftTransformer first = Load();
        Save(first);
        using PeftTransformer second = Load();
        Table.AreClose(Scores(model), Scores(second), 0, "scores");
    }

    [TestMethod]
    public void AReferencedBaseIsNotInTheFile()
    {
        PeftTransformer model = Fit(embed: false);
        Save(model);
        Assert.DoesNotContain("base.safetensors", Entries());
        using PeftTransformer loaded = Load();
        Table.AreClose(Scores(model), Scores(loaded), 0, "scores");
    }

    [TestMethod]
    public void AReferencedBaseIsFoundByVariable()
    {
        PeftTransformer model = Fit(embed: false);
        Save(model);
        using var elsewhere = new MovedFolder(_bert.Folder);
        Assert.Contains(_bert.Folder, LoadError<FileNotFoundException>());
        Environment.SetEnvironmentVariable(BaseFolders.Variable, elsewhere.Parent);
        try
        {
            using PeftTransformer loaded = Load();
            Table.AreClose(Scores(model), Scores(loaded), 0, "scores");
        }
        finally
        {
            Environment.SetEnvironmentVariable(BaseFolders.Variable, null);
        }
    }

    [TestMethod]
    [DataRow(@"C:\models\{0}")]
    [DataRow(@"C:\models\{0}\")]
    [DataRow("/nowhere/{0}/")]
    public void AReferencedBaseOfAnotherSystemIsFoundByVariable(string path)
    {
        PeftTransformer model = Fit(embed: false);
        Save(model);
        string name = Path.GetFileName(_bert.Folder);
        Change("manifest.json", text => Edit(text, json => json["bases"]!["model"]!["folder"] = string.Format(CultureInfo.InvariantCulture, path, name)));
        Assert.Contains($"'{name}'", LoadError<FileNotFoundException>());
        Environment.SetEnvironmentVariable(BaseFolders.Variable, Path.GetDirectoryName(_bert.Folder));
        try
        {
            using PeftTransformer loaded = Load();
            Table.AreClose(Scores(model), Scores(loaded), 0, "scores");
        }
        finally
        {
            Environment.SetEnvironmentVariable(BaseFolders.Variable, null);
        }
    }

    [TestMethod]
    public void AnArchiveNamesNoPathUnlessItsBaseIsOutside()
    {
        File.WriteAllText(Path.Combine(_bert.Folder, "generation_config.json"), """{"max_new_tokens": 7}""");
        string adapter = Path.Combine(_bert.Folder, "adapter"), merged = Path.Combine(_bert.Folder, "merged");
        using PeftTransformer model = Fit(embed: true);
        model.SaveAdapter(adapter);
        model.Adapters.Load("other", adapter);
        Save(model);
        using (ZipArchive archive = ZipFile.OpenRead(_file))
        {
            foreach (ZipArchiveEntry entry in archive.Entries)
            {
                using var reader = new StreamReader(entry.Open(), Encoding.Latin1);
                Assert.DoesNotContain(Path.GetDirectoryName(_bert.Folder)! + Path.DirectorySeparatorChar, reader.ReadToEnd(), entry.FullName);
            }
        }
        // What the folder said is known without it.
        using PeftTransformer loaded = Load();
        Directory.Delete(adapter, recursive: true);
        loaded.SaveAdapter(adapter, loaded.Adapters["other"]);
        Assert.AreEqual(Path.GetFileName(_bert.Folder), (string?)JsonNode.Parse(File.ReadAllText(Path.Combine(adapter, "adapter_config.json")))!["base_model_name_or_path"]);
        loaded.SaveMergedModel(merged, loaded.Adapters["default"]);
        Assert.Contains("\"max_new_tokens\": 7", File.ReadAllText(Path.Combine(merged, "generation_config.json")));

        using PeftTransformer outside = Fit(embed: false);
        Save(outside);
        Change("manifest.json", text => Edit(text, json => Assert.AreEqual(_bert.Folder, (string?)json["bases"]!["model"]!["folder"])));
    }

    [TestMethod]
    public void ATrailingSeparatorChangesNoName()
    {
        using PeftTransformer model = _context.Peft().Lora(_bert.Folder + Path.DirectorySeparatorChar, PeftTask.TextClassification(), maxEpochs: 1).Fit(Review.Load(_context));
        string adapter = Path.Combine(_bert.Folder, "adapter");
        model.SaveAdapter(adapter + Path.DirectorySeparatorChar);
        Assert.AreEqual(Path.GetFileName(_bert.Folder), (string?)JsonNode.Parse(File.ReadAllText(Path.Combine(adapter, "adapter_config.json")))!["base_model_name_or_path"]);
    }

    [TestMethod]
    public void ErrorsComeAsTheyAreByOurDoor()
    {
        // In a chain of transformers ML.NET wraps an error twice.
        IDataView data = Review.Load(_context);
        using PeftTransformer model = Fit(embed: true);
        ITransformer chain = _context.Transforms.CopyColumns("Copy", "Text").Fit(data).Append(model);
        _context.Model.Save(chain, data.Schema, _file);
        Assert.IsInstanceOfType<IDisposable>(_context.Model.LoadUnwrapped(_file, out DataViewSchema? schema)).Dispose();
        Assert.IsNotNull(schema);
        Change("manifest.json", text => text[..(text.Length / 2)]);
        Assert.ThrowsExactly<TargetInvocationException>(() => _context.Model.Load(_file, out _));
        Assert.Contains("manifest", Assert.ThrowsExactly<InvalidDataException>(() => _context.Model.LoadUnwrapped(_file, out _)).Message);
        Assert.ThrowsExactly<FileNotFoundException>(() => _context.Model.LoadUnwrapped(_file + ".not", out _));
    }

    [TestMethod]
    public void AnotherBaseIsRefusedWithBothHashes()
    {
        PeftTransformer model = Fit(embed: false);
        Save(model);
        model.Dispose();
        using var other = new TinyBert(seed: 2);
        File.Copy(Path.Combine(other.Folder, "model.safetensors"), Path.Combine(_bert.Folder, "model.safetensors"), overwrite: true);
        string message = LoadError<InvalidDataException>();
        Assert.MatchesRegex("[0-9a-fA-F]{64}.*[0-9a-fA-F]{64}", message);
    }

    [TestMethod]
    public void FullyTunedWeightsAreSavedOnce()
    {
        using PeftTransformer model = _context.Peft().FullFineTune(_bert.Folder, PeftTask.TextClassification(), maxEpochs: 1).Fit(Review.Load(_context));
        var expected = Scores(model);
        Save(model);
        Assert.DoesNotContain("base.safetensors", Entries());
        _bert.Dispose();
        using PeftTransformer loaded = Load();
        Table.AreClose(expected, Scores(loaded), 0, "scores");
    }

    [TestMethod]
    public void ANewerFormatIsRefused()
    {
        Save(Fit(embed: true));
        Change("manifest.json", text => Edit(text, json => json["formatVersion"] = Manifest.CurrentVersion + 1));
        Assert.Contains($"version {Manifest.CurrentVersion + 1}", LoadError<InvalidDataException>());
    }

    [TestMethod]
    [DataRow("task", "text-sorting")]
    [DataRow("tuner", "magic")]
    [DataRow("model", "mamba")]
    public void AnUnknownKeyIsRefused(string what, string key)
    {
        Save(Fit(embed: true));
        Change("manifest.json", text => Edit(text, json => Keyed(json, what)["key"] = key));
        Assert.Contains($"Unknown {what} '{key}'; known are ", LoadError<InvalidDataException>());
    }

    [TestMethod]
    [DataRow("task", "text-classification")]
    [DataRow("tuner", "lora")]
    [DataRow("model", "bert")]
    public void AnAssemblyThatIsNotThereIsNamed(string what, string key)
    {
        Save(Fit(embed: true));
        Change("manifest.json", text => Edit(text, json => Keyed(json, what)["assembly"] = "Some.Other"));
        Assert.Contains($"The {what} '{key}' is of the assembly 'Some.Other', which cannot be loaded", LoadError<FileNotFoundException>());
    }

    [TestMethod]
    public void AnAssemblyThatRegistersNothingIsNamed()
    {
        Save(Fit(embed: true));
        Change("manifest.json", text => Edit(text, json => Keyed(json, "tuner")["assembly"] = "Microsoft.ML.Core"));
        Assert.Contains("Unknown tuner 'lora'; Microsoft.ML.Core has none.", LoadError<InvalidDataException>());
    }

    [TestMethod]
    public void BasesOfOtherRolesThanTheModelsAreRefused()
    {
        Save(Fit(embed: true));
        Change("manifest.json", text => Edit(text, json => json["bases"]!["eyes"] = new JsonObject { ["kind"] = "tuned" }));
        Assert.Contains("Model 'bert' stands on model; there are weights for model, eyes.", LoadError<InvalidDataException>());
    }

    [TestMethod]
    public void SeveralTasksAreRefused()
    {
        Save(Fit(embed: true));
        Change("manifest.json", text => Edit(text, json => json["tasks"]!.AsArray().Add(json["tasks"]![0]!.DeepClone())));
        Assert.Contains("several tasks (2)", LoadError<NotSupportedException>());
    }

    [TestMethod]
    public void AnUnknownInputProcessorIsNamed()
    {
        Save(Fit(embed: true));
        Change("manifest.json", text => Edit(text, json => json["processor"] = json["tuner"]!.DeepClone()));
        Assert.Contains("Unknown input processor 'lora'; known are text.", LoadError<InvalidDataException>());
    }

    [TestMethod]
    public void AChangedTokenizerIsRefused()
    {
        Save(Fit(embed: true));
        Change("tokenizer.tokenizer.json", text => text.Replace("awful", "lawful", StringComparison.Ordinal));
        Assert.Contains("tokenizer.json", LoadError<InvalidDataException>());
    }

    [TestMethod]
    [DataRow("base.safetensors")]
    [DataRow("tuned.safetensors")]
    public void AFlippedByteIsRefused(string name)
    {
        Save(Fit(embed: true));
        var (start, length) = StoredEntry.Find(_file, name);
        byte[] bytes = File.ReadAllBytes(_file);
        bytes[start + length - 5] ^= 4;
        File.WriteAllBytes(_file, bytes);
        Assert.Contains(name, LoadError<InvalidDataException>());
    }

    [TestMethod]
    public void ABrokenManifestIsRefused()
    {
        Save(Fit(embed: true));
        Change("manifest.json", text => text[..(text.Length / 2)]);
        Assert.Contains("manifest", LoadError<InvalidDataException>());
    }

    [TestMethod]
    public void WeightsAreStoredAsTheyAre()
    {
        Save(Fit(embed: true));
        using ZipArchive archive = ZipFile.OpenRead(_file);
        foreach (ZipArchiveEntry entry in archive.Entries.Where(e => e.Name.EndsWith(".safetensors", StringComparison.Ordinal)))
            Assert.AreEqual(entry.Length, entry.CompressedLength, entry.FullName);
    }

    [TestMethod]
    public void DeflatedWeightsLoadAsWell()
    {
        PeftTransformer model = Fit(embed: true);
        Save(model);
        Deflate("base.safetensors");
        Deflate("tuned.safetensors");
        using PeftTransformer loaded = Load();
        Table.AreClose(Scores(model), Scores(loaded), 0, "scores");
    }

    [TestMethod]
    public void TensorsThatCannotBeMappedAreCopied()
    {
        byte[] bytes = File.ReadAllBytes(Path.Combine(_bert.Folder, "model.safetensors"));
        using ITensorSource copied = ArchivedTensors.Open(new MemoryStream(bytes));
        using ITensorSource mapped = SafetensorsFile.Open(Path.Combine(_bert.Folder, "model.safetensors"));
        CollectionAssert.AreEquivalent(mapped.Names.ToArray(), copied.Names.ToArray());
        foreach (string name in mapped.Names)
        {
            using var scope = TorchSharp.torch.NewDisposeScope();
            TensorAssert.Close(mapped.Read(name), copied.Read(name), 0, 0, name);
        }
    }

    private PeftTransformer Fit(bool embed) => _context.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = _bert.Folder,
        Task = PeftTask.TextClassification(),
        Training = new TrainingOptions { MaxEpochs = 1, LearningRate = 1e-2 },
        EmbedBase = embed,
    }).Fit(Review.Load(_context));

    private IReadOnlyList<object> Scores(PeftTransformer model) => Table.Read(model.Transform(Review.Load(_context)), "Score");

    private void Save(PeftTransformer model) => _context.Model.SaveAtomically(model, Review.Load(_context).Schema, _file);

    private PeftTransformer Load() => (PeftTransformer)_context.Model.Load(_file, out _);

    /// <summary>ML.NET calls loaders by reflection and wraps what they throw.</summary>
    private string LoadError<T>()
        where T : Exception
    {
        var wrapped = Assert.ThrowsExactly<TargetInvocationException>(() => Load());
        return Assert.IsInstanceOfType<T>(wrapped.InnerException).Message;
    }

    private string[] Entries()
    {
        using ZipArchive archive = ZipFile.OpenRead(_file);
        return [.. archive.Entries.Select(e => e.Name)];
    }

    private void Deflate(string name)
    {
        using ZipArchive archive = ZipFile.Open(_file, ZipArchiveMode.Update);
        ZipArchiveEntry stored = archive.Entries.Single(e => e.Name == name);
        using var content = new MemoryStream();
        using (Stream stream = stored.Open())
            stream.CopyTo(content);
        string path = stored.FullName;
        stored.Delete();
        using Stream deflated = archive.CreateEntry(path, CompressionLevel.Fastest).Open();
        deflated.Write(content.ToArray());
    }

    private static string Edit(string text, Action<JsonNode> edit)
    {
        JsonNode json = JsonNode.Parse(text)!;
        edit(json);
        return json.ToJsonString();
    }

    private static JsonNode Keyed(JsonNode manifest, string what) => what == "task" ? manifest["tasks"]![0]! : manifest[what]!;

    private void Change(string name, Func<string, string> change)
    {
        using ZipArchive archive = ZipFile.Open(_file, ZipArchiveMode.Update);
        ZipArchiveEntry entry = archive.Entries.Single(e => e.Name == name);
        using Stream stream = entry.Open();
        string text = new StreamReader(stream, Encoding.UTF8).ReadToEnd();
        stream.SetLength(0);
        stream.Write(Encoding.UTF8.GetBytes(change(text)));
    }

    /// <summary>A folder that lies elsewhere for a while.</summary>
    private sealed class MovedFolder : IDisposable
    {
        private readonly string _home;

        public MovedFolder(string folder)
        {
            _home = folder;
            Parent = Directory.CreateTempSubdirectory("elsewhere-").FullName;
            Directory.Move(folder, Path.Combine(Parent, Path.GetFileName(folder)));
        }

        public string Parent { get; }

        public void Dispose()
        {
            Directory.Move(Path.Combine(Parent, Path.GetFileName(_home)), _home);
            Directory.Delete(Parent);
        }
    }
}
