using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Quantization;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Estimators.Adapters;

/// <summary>An adapter merged into a base of few bits: the folder that comes out, and what the merge says it lost.</summary>
[TestClass]
public sealed class QuantizedMergeTests
{
    private const string Query = "model.layers.1.self_attn.q_proj.weight";

    public static IEnumerable<object[]> Formats =>
        from type in new[] { "llama", "gpt2" }
        from format in new QuantizationOptions[]
        {
            new(), new() { BlockSize = 32, DoubleQuantization = true }, new() { Format = QuantizationFormat.Fp4 },
            new() { Format = QuantizationFormat.Int8 }, new() { Format = QuantizationFormat.Int8Rowwise },
            new() { Format = QuantizationFormat.BFloat16 },
        }
        select new object[] { type, format };

    public static string Name(System.Reflection.MethodInfo method, object[] data) => $"{method.Name} {data[0]} {((QuantizationOptions)data[1]).Key}";

    [TestMethod]
    [DynamicData(nameof(Formats), DynamicDataDisplayName = nameof(Name))]
    public void TheFolderAnswersAsTheMergedModelDoes(string type, QuantizationOptions format)
    {
        using var it = new AdapterFixture(type, lora: Options(type));
        using PeftTransformer live = Quantized(it, format, Options(type));
        live.SaveAdapter(it.PathOf("adapter"));
        MergeReport saved = live.SaveMergedModel(it.PathOf("saved"));
        MergeReport offline = it.Context.Peft().MergeAdapter(Source(it, format), it.PathOf("adapter"), it.PathOf("offline"));
        live.Adapters.Merge(live.Adapters["default"]);
        float[] expected = it.Scores(live, it.Data);
        AdapterFixture.AreClose(expected, Scores(it, it.PathOf("saved")), "saved from the model", 1e-6);
        AdapterFixture.AreClose(expected, Scores(it, it.PathOf("offline")), "merged from files", 1e-6);
        SameTensors(it.PathOf("saved"), it.PathOf("offline"));
        Assert.HasCount(saved.Matrices.Count, offline.Matrices);
        Assert.AreEqual(saved.SurvivingShare!.Value, offline.SurvivingShare!.Value, 1e-9);
        Assert.AreEqual(live.Adapters.Merged, live.Adapters["default"]);
    }

    [TestMethod]
    [DynamicData(nameof(Formats), DynamicDataDisplayName = nameof(Name))]
    public void FloatsAreThoseOfTheBaseWithTheUpdate(string type, QuantizationOptions format)
    {
        format = new QuantizationOptions { Format = format.Format, BlockSize = format.BlockSize, DoubleQuantization = format.DoubleQuantization, RequantizeMerged = false };
        using var it = new AdapterFixture(type, lora: Options(type));
        using PeftTransformer live = Quantized(it, format, Options(type));
        live.SaveAdapter(it.PathOf("adapter"));
        float[] expected = it.Scores(live, it.Data);
        MergeReport report = it.Context.Peft().MergeAdapter(Source(it, format), it.PathOf("adapter"), it.PathOf("floats"));
        AdapterFixture.AreClose(expected, Scores(it, it.PathOf("floats")), "floats");
        Assert.IsEmpty(report.Matrices);
        Assert.IsNull(report.SurvivingShare);
        using var file = SafetensorsFile.Open(Path.Combine(it.PathOf("floats"), "model.safetensors"));
        using var before = SafetensorsFile.Open(Path.Combine(it.Base, "model.safetensors"));
        CollectionAssert.AreEquivalent(before.Names.ToList(), file.Names.ToList());
        Assert.IsTrue(before.Names.All(name => before.ShapeOf(name).SequenceEqual(file.ShapeOf(name))));
        Assert.IsFalse(Config(it.PathOf("floats")).ContainsKey("quantization_config"));
    }

    [TestMethod]
    public void AFolderThatIsQuantizedAlreadyIsMergedAsItIs()
    {
        using var it = new AdapterFixture();
        var format = new QuantizationOptions { DoubleQuantization = true };
        using (PeftTransformer live = Quantized(it, format, AdapterFixture.Options()))
        {
            live.SaveAdapter(it.PathOf("adapter"));
            live.SaveMergedModel(it.PathOf("expected"));
        }
        string packed = it.PathOf("packed");
        Pack(it, format, packed);
        MergedModelTests.Unsign(it.PathOf("adapter"));
        it.Context.Peft().MergeAdapter(packed, it.PathOf("adapter"), it.PathOf("found"));
        SameTensors(it.PathOf("expected"), it.PathOf("found"));
        JsonObject form = Config(it.PathOf("found"))["quantization_config"]!.AsObject();
        Assert.AreEqual("nf4", (string)form["bnb_4bit_quant_type"]!);
        Assert.IsTrue((bool)form["bnb_4bit_use_double_quant"]!);
        it.Context.Peft().MergeAdapter(packed, it.PathOf("adapter"), it.PathOf("floats"), new MergeOptions { Requantize = false });
        using var floats = SafetensorsFile.Open(Path.Combine(it.PathOf("floats"), "model.safetensors"));
        Assert.IsTrue(floats.Entries.Values.All(entry => entry.Type == ScalarType.Float32));
    }

    [TestMethod]
    public void TheReportIsWhatItsWordsSay()
    {
        using var it = new AdapterFixture();
        using PeftTransformer live = Quantized(it, new(), AdapterFixture.Options());
        live.SaveAdapter(it.PathOf("adapter"));
        MergeReport report = live.SaveMergedModel(it.PathOf("merged"));
        using var scope = NewDisposeScope();
        using var before = SafetensorsFile.Open(Path.Combine(it.Base, "model.safetensors"));
        using var after = SafetensorsFile.Open(Path.Combine(it.PathOf("merged"), "model.safetensors"));
        using var adapter = SafetensorsFile.Open(Path.Combine(it.PathOf("adapter"), "adapter_model.safetensors"));
        using PackedMatrix old = Quantizer.Quantize(before.Read(Query), new(), "w"), merged = QuantStateFile.Read(after, Query, 32, 32, CPU);
        string path = "base_model.model." + Query[..^".weight".Length];
        Tensor update = adapter.Read(path + ".lora_B.weight").mm(adapter.Read(path + ".lora_A.weight")) * 2, change = merged.Dequantize() - old.Dequantize();
        MergedMatrix found = report.Matrices.Single(matrix => matrix.Name == Query);
        double size = (update * update).sum().item<float>();
        Assert.AreEqual((update * change).sum().item<float>() / size, found.SurvivingShare, 1e-4);
        Assert.AreEqual(Math.Sqrt((change - update).square().sum().item<float>() / size), found.Error, 1e-4);
        Assert.HasCount(4, report.Matrices);
        Assert.IsGreaterThan(report.Matrices.Min(m => m.SurvivingShare), report.SurvivingShare!.Value);
        Assert.IsLessThan(report.Matrices.Max(m => m.SurvivingShare), report.SurvivingShare!.Value);
    }

    [TestMethod]
    public void AFinerFormatLosesLess()
    {
        using var it = new AdapterFixture();
        it.Transformer.SaveAdapter(it.PathOf("adapter"));
        double[] errors = [.. new[] { QuantizationFormat.Fp4, QuantizationFormat.Nf4, QuantizationFormat.Int8 }.Select(format =>
            it.Context.Peft().MergeAdapter(Source(it, new() { Format = format }), it.PathOf("adapter"), it.PathOf($"{format}")).Error!.Value)];
        CollectionAssert.AreEqual(errors.OrderDescending().ToArray(), errors, string.Join(", ", errors));
    }

    [TestMethod]
    public void TheDriftIsThatOfTheLogits()
    {
        using var it = new AdapterFixture();
        using PeftTransformer live = Quantized(it, new(), AdapterFixture.Options());
        live.SaveAdapter(it.PathOf("adapter"));
        var options = new MergeOptions { SampleRows = it.Data };
        LogitDrift saved = live.SaveMergedModel(it.PathOf("saved"), options: options).Drift!;
        LogitDrift offline = it.Context.Peft().MergeAdapter(Source(it, new()), it.PathOf("adapter"), it.PathOf("offline"), options).Drift!;
        Assert.AreEqual(4, saved.Rows);
        Assert.IsGreaterThan(saved.Mean, saved.Largest);
        Assert.IsGreaterThan(1e-3, saved.Mean);
        Assert.AreEqual(saved.Largest, offline.Largest, 1e-5);
        Assert.AreEqual(saved.Mean, offline.Mean, 1e-6);
        // Floats take the update as it is.
        LogitDrift floats = live.SaveMergedModel(it.PathOf("floats"), options: new MergeOptions { SampleRows = it.Data, Requantize = false }).Drift!;
        Assert.IsLessThan(1e-4, floats.Largest);
    }

    [TestMethod]
    public void ALossBeyondALimitLeavesNothing()
    {
        using var it = new AdapterFixture();
        using PeftTransformer live = Quantized(it, new(), AdapterFixture.Options());
        live.SaveAdapter(it.PathOf("adapter"));
        double share = live.SaveMergedModel(it.PathOf("merged")).SurvivingShare!.Value;
        Refused(it, "LeastSurvivingShare is", new MergeOptions { LeastSurvivingShare = share + 0.01 }, live);
        Refused(it, "LargestLogitDrift is 0.001", new MergeOptions { LargestLogitDrift = 1e-3, SampleRows = it.Data }, live);
        live.SaveMergedModel(it.PathOf("allowed"), options: new MergeOptions { LeastSurvivingShare = share - 0.01, LargestLogitDrift = 1e3, SampleRows = it.Data });
        Assert.IsTrue(Directory.Exists(it.PathOf("allowed")));
    }

    [TestMethod]
    public void BadOptionsAreRefused()
    {
        using var it = new AdapterFixture();
        Assert.Contains("SampleRows", Assert.ThrowsExactly<ArgumentException>(() => Merge(new MergeOptions { LargestLogitDrift = 1 })).Message);
        Assert.Contains("LargestLogitDrift", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => Merge(new MergeOptions { LargestLogitDrift = double.NaN, SampleRows = it.Data })).Message);
        Assert.Contains("LeastSurvivingShare", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Merge(new MergeOptions { LeastSurvivingShare = double.NaN })).Message);
        Assert.Contains("no row", Assert.ThrowsExactly<InvalidOperationException>(
            () => Merge(new MergeOptions { SampleRows = it.Context.Data.LoadFromEnumerable(Array.Empty<AdapterFixture.Row>()) })).Message);
        it.Transformer.SaveAdapter(it.PathOf("adapter"));
        Assert.Contains("no row", Assert.ThrowsExactly<InvalidOperationException>(() => it.Context.Peft().MergeAdapter(
            it.Base, it.PathOf("adapter"), it.PathOf("no"), new MergeOptions { SampleRows = it.Context.Data.LoadFromEnumerable(Array.Empty<AdapterFixture.Row>()) })).Message);
        var outliers = new QuantizationOptions { Format = QuantizationFormat.Int8Rowwise, OutlierThreshold = 0.1 };
        Assert.Contains("outliers", Assert.ThrowsExactly<NotSupportedException>(
            () => it.Context.Peft().MergeAdapter(Source(it, outliers), it.PathOf("adapter"), it.PathOf("no"))).Message);
        Assert.IsFalse(Directory.Exists(it.PathOf("no")));

        void Merge(MergeOptions options) => it.Transformer.SaveMergedModel(it.PathOf("no"), options: options);
    }

    [TestMethod]
    public void PlansAreWhatIsWritten() => Quantization.Matrices.Each((matrix, _, what) =>
    {
        if (matrix.Options!.OutlierThreshold > 0)
            return;
        using var scope = NewDisposeScope();
        var plan = QuantStateFile.Plan(matrix.Options, matrix.Type, matrix.Outputs, matrix.Inputs, "w", transposed: false).ToList();
        var parts = matrix.Export("w", transposed: false).ToList();
        CollectionAssert.AreEqual(parts.Select(part => (part.Name, part.Value.dtype)).ToList(), plan.Select(part => (part.Name, part.Type)).ToList(), what);
        foreach (var (planned, part) in plan.Zip(parts))
        {
            bool state = part.Name.Contains("quant_state", StringComparison.Ordinal);
            Assert.IsTrue(state ? planned.Shape[0] >= part.Value.shape[0] : planned.Shape.SequenceEqual(part.Value.shape), $"{what}: {part.Name}");
        }
    });

    private static LoraOptions Options(string type) => new() { Rank = 4, Alpha = 8, TargetModules = type == "llama" ? ["q_proj", "down_proj"] : ["c_attn", "c_proj"] };

    private static PeftTransformer Quantized(AdapterFixture it, QuantizationOptions format, LoraOptions lora) => it.Context.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = it.Base,
        Task = PeftTask.CausalLanguageModelling(),
        Lora = lora,
        Quantization = format,
        Training = new TrainingOptions { MaxSteps = 4, MaxEpochs = 4, LearningRate = 5e-2, BatchSize = 1 },
    }).Fit(it.Context.Data.LoadFromEnumerable([new AdapterFixture.Row { Text = "the quick brown fox" }]));

    private static ModelSource Source(AdapterFixture it, QuantizationOptions format) =>
        it.Context.Peft().Nf4Quantize(new Nf4Quantize.Options { BaseModel = it.Base, Quantization = format });

    private static float[] Scores(AdapterFixture it, string folder)
    {
        using PeftTransformer model = it.Context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = folder,
            Task = PeftTask.CausalLanguageModelling(),
            Training = new TrainingOptions { MaxSteps = 1, LearningRate = 1e-12 },
        }).Fit(it.Data);
        return it.Scores(model, it.Data);
    }

    private static void Refused(AdapterFixture it, string words, MergeOptions options, PeftTransformer live)
    {
        foreach (Action merge in new Action[]
        {
            () => live.SaveMergedModel(it.PathOf("refused"), options: options),
            () => it.Context.Peft().MergeAdapter(Source(it, new()), it.PathOf("adapter"), it.PathOf("refused"), options),
        })
        {
            Assert.Contains(words, Assert.ThrowsExactly<InvalidOperationException>(merge).Message);
            Assert.IsEmpty(Directory.GetFileSystemEntries(Path.GetDirectoryName(it.PathOf("refused"))!, "refused*"));
        }
    }

    private static void SameTensors(string expected, string found)
    {
        using var scope = NewDisposeScope();
        using var first = SafetensorsFile.Open(Path.Combine(expected, "model.safetensors"));
        using var second = SafetensorsFile.Open(Path.Combine(found, "model.safetensors"));
        CollectionAssert.AreEquivalent(first.Names.ToList(), second.Names.ToList());
        foreach (string name in first.Names)
            TensorAssert.Close(first.Read(name), second.Read(name), 0, 0, name);
    }

    private static void Pack(AdapterFixture it, QuantizationOptions format, string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.GetFiles(it.Base).Where(file => Path.GetExtension(file) == ".json"))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        using var scope = NewDisposeScope();
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(it.Base), SharedCheckpoint.Acquire(it.Base, CPU), CPU, seed: 1, format);
        model.As<ICausalLanguageModel>().CreateLanguageModelHead();
        SafetensorsWriter.WriteFile(Path.Combine(folder, "model.safetensors"), model.Weights.BaseTensors());
    }

    private static JsonObject Config(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!.AsObject();
}
