using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>PEFT's folders damaged at random load and score, or are refused in the library's words, never worse.</summary>
[TestClass]
public sealed class AdapterMutationTests
{
    private const int Seed = 17;

    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();
    private readonly string _root = Directory.CreateTempSubdirectory("adapter-mutants-").FullName;

    public required TestContext TestContext { get; init; }

    [TestCleanup]
    public void Delete()
    {
        _bert.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [TestMethod]
    [DataRow("adapter_config.json", 500), DataRow("adapter_model.safetensors", 500)]
    public void Prompts(string file, int count) => Damage(file, count, _ml.Peft().PromptTune(Of(new PromptTune.Options
    {
        Prompt = new PromptOptions { VirtualTokens = 3, Start = VirtualTokenStart.Text, StartText = "good film" },
    })));

    [TestMethod]
    [DataRow("adapter_config.json", 500), DataRow("adapter_model.safetensors", 500)]
    public void Prefixes(string file, int count) => Damage(file, count, _ml.Peft().PrefixTune(Of(new PrefixTune.Options
    {
        Prefix = new PrefixOptions { VirtualTokens = 3, PrefixProjection = true },
    })));

    [TestMethod]
    [DataRow(PTuningEncoder.Mlp, "adapter_config.json", 300), DataRow(PTuningEncoder.Lstm, "adapter_config.json", 300)]
    [DataRow(PTuningEncoder.Mlp, "adapter_model.safetensors", 300)]
    public void PTuned(PTuningEncoder encoder, string file, int count) => Damage(file, count, _ml.Peft().PTune(Of(new PTune.Options
    {
        Prompt = new PTuningOptions { VirtualTokens = 3, Encoder = encoder },
    })));

    private T Of<T>(T options)
        where T : FineTuneOptions
    {
        (options.BaseModel, options.Task, options.Training) = (_bert.Folder, PeftTask.TextClassification(), new TrainingOptions { MaxSteps = 1 });
        return options;
    }

    private void Damage(string file, int count, IEstimator<PeftTransformer> method)
    {
        IDataView rows = Review.Load(_ml, 6);
        using PeftTransformer model = method.Fit(Review.Load(_ml));
        string folder = Path.Combine(_root, "adapter");
        model.SaveAdapter(folder);
        string path = Path.Combine(folder, file);
        byte[] whole = File.ReadAllBytes(path);
        var random = new Random(Seed);
        var answers = new Dictionary<string, int>();
        for (int i = 0; i < count; i++)
        {
            byte[] mutant = file.EndsWith(".json", StringComparison.Ordinal) && i % 2 == 0 ? Mutants.OfJson(whole, random) : Mutants.OfBytes(whole, random);
            File.WriteAllBytes(path, mutant);
            string answer = Answer(model, folder, rows, mutant);
            answers[answer] = answers.GetValueOrDefault(answer) + 1;
        }
        TestContext.WriteLine($"{count} mutants: {string.Join(", ", answers.Select(a => $"{a.Key} {a.Value}"))}.");
        Assert.IsTrue(answers.ContainsKey(nameof(InvalidDataException)), "Nothing was refused.");
    }

    private static string Answer(PeftTransformer model, string folder, IDataView rows, byte[] mutant)
    {
        PeftAdapter loaded;
        try
        {
            loaded = model.Adapters.Load("mutant", folder);
        }
        catch (Exception e) when (e is InvalidDataException or NotSupportedException)
        {
            return e.GetType().Name;
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"mutant {Convert.ToBase64String(mutant)}", e);
        }
        model.Adapters.Activate(loaded);
        try
        {
            Table.Read(model.Transform(rows), "Score");
            return "loaded";
        }
        catch (InvalidOperationException e) when (e.Message.Contains("positions", StringComparison.Ordinal))
        {
            return "too long";
        }
        finally
        {
            model.Adapters.Activate(null);
            model.Adapters.Remove(loaded);
        }
    }
}
