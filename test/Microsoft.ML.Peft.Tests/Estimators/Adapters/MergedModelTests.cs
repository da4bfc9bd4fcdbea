using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Estimators.Adapters;

/// <summary>Base and adapter as one checkpoint.</summary>
[TestClass]
public sealed class MergedModelTests
{
    public static IEnumerable<object[]> Kinds =>
        from type in new[] { "llama", "gpt2" }
        from tied in new[] { false, true }
        from kind in new[] { "plain", "dora", "tables", "whole", "tokens", "biases" }
        where type == "llama" || tied
        select new object[] { type, tied, kind };

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void TheFolderAnswersAsTheAdapterDid(string type, bool tied, string kind)
    {
        using var it = new AdapterFixture(type, config => config["tie_word_embeddings"] = tied, Options(type, kind));
        it.Transformer.SaveMergedModel(it.PathOf("merged"));
        AdapterFixture.AreClose(it.Scores(), ScoresOf(it, it.PathOf("merged")), "the merged folder");
        it.Transformer.SaveAdapter(it.PathOf("adapter"));
        it.Context.Peft().MergeAdapter(it.Base, it.PathOf("adapter"), it.PathOf("offline"));
        AdapterFixture.AreClose(it.Scores(), ScoresOf(it, it.PathOf("offline")), "the folder merged from files");
    }

    [TestMethod]
    public void AMergeInMemoryDoesNotCountTwice()
    {
        using var it = new AdapterFixture(lora: new LoraOptions { UseDora = true });
        float[] expected = it.Scores();
        it.Transformer.Adapters.Merge(it.Transformer.Adapters["default"]);
        it.Transformer.SaveMergedModel(it.PathOf("merged"));
        AdapterFixture.AreClose(expected, it.Scores(), "still merged");
        AdapterFixture.AreClose(expected, ScoresOf(it, it.PathOf("merged")), "the merged folder");
    }

    [TestMethod]
    public void TheBasesTypesStayAndRoundOnce()
    {
        using var it = new AdapterFixture();
        it.Transformer.SaveAdapter(it.PathOf("adapter"));
        string half = Halved(it, ScalarType.BFloat16);
        Assert.Contains("SHA-256", Assert.ThrowsExactly<InvalidDataException>(
            () => it.Context.Peft().MergeAdapter(half, it.PathOf("adapter"), it.PathOf("no"))).Message);
        Unsign(it.PathOf("adapter"));
        it.Context.Peft().MergeAdapter(half, it.PathOf("adapter"), it.PathOf("merged"));

        using var scope = NewDisposeScope();
        using var before = SafetensorsFile.Open(Path.Combine(half, "model.safetensors"));
        using var after = SafetensorsFile.Open(Path.Combine(it.PathOf("merged"), "model.safetensors"));
        using var adapter = SafetensorsFile.Open(Path.Combine(it.PathOf("adapter"), "adapter_model.safetensors"));
        Assert.IsTrue(after.Entries.Values.All(entry => entry.Type == ScalarType.BFloat16));
        const string Query = "model.layers.1.self_attn.q_proj";
        Tensor Factor(string which) => adapter.Read($"base_model.model.{Query}.lora_{which}.weight");
        Tensor expected = (before.Read(Query + ".weight").to(ScalarType.Float32) + Factor("B").mm(Factor("A")) * 2).to(ScalarType.BFloat16);
        TensorAssert.Close(expected, after.Read(Query + ".weight"), 0, 0, "a merged weight");
        TensorAssert.Close(before.Read("model.norm.weight"), after.Read("model.norm.weight"), 0, 0, "another weight");
    }

    public static IEnumerable<object[]> KindsOverHalves =>
        from kind in new[] { "plain", "dora", "tables", "whole", "tokens", "biases" }
        from type in new[] { ScalarType.BFloat16, ScalarType.Float16 }
        select new object[] { kind, type };

    /// <summary>From files, where the base stays in its type, as from memory, where it is in single precision.</summary>
    [TestMethod]
    [DynamicData(nameof(KindsOverHalves))]
    public void EveryKindMergesIntoHalves(string kind, ScalarType type)
    {
        using var it = new AdapterFixture();
        string half = Halved(it, type);
        using PeftTransformer model = it.Context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = half,
            Task = PeftTask.CausalLanguageModelling(),
            Lora = Options("llama", kind),
            Training = new TrainingOptions { MaxSteps = 4, MaxEpochs = 4, LearningRate = 5e-2, BatchSize = 1 },
        }).Fit(it.Data);
        model.SaveAdapter(it.PathOf("adapter"));
        model.SaveMergedModel(it.PathOf("memory"));
        it.Context.Peft().MergeAdapter(half, it.PathOf("adapter"), it.PathOf("files"));
        using var scope = NewDisposeScope();
        using var memory = SafetensorsFile.Open(Path.Combine(it.PathOf("memory"), "model.safetensors"));
        using var files = SafetensorsFile.Open(Path.Combine(it.PathOf("files"), "model.safetensors"));
        CollectionAssert.AreEquivalent(memory.Names.ToArray(), files.Names.ToArray());
        foreach (string name in memory.Names)
        {
            Assert.AreEqual(type, files.Entries[name].Type, name);
            TensorAssert.Close(memory.Read(name).to(ScalarType.Float32), files.Read(name).to(ScalarType.Float32), 1e-2, 1e-2, name);
        }
    }

    [TestMethod]
    public void LargeModelsAreSplit()
    {
        using var it = new AdapterFixture();
        it.Transformer.SaveAdapter(it.PathOf("adapter"));
        OfflineMerge.Run(it.Base, it.PathOf("adapter"), it.PathOf("merged"), new MergeOptions(), PeftTask.CausalLanguageModelling(), shardBytes: 30_000);
        JsonNode index = JsonNode.Parse(File.ReadAllText(Path.Combine(it.PathOf("merged"), "model.safetensors.index.json")))!;
        string[] files = [.. Directory.GetFiles(it.PathOf("merged"), "model-*.safetensors").Order(StringComparer.Ordinal)];
        Assert.IsGreaterThan(1, files.Length);
        Assert.AreEqual($"model-00001-of-{files.Length:d5}.safetensors", Path.GetFileName(files[0]));
        using var whole = SafetensorsFile.Open(Path.Combine(it.Base, "model.safetensors"));
        Assert.AreEqual(whole.Entries.Values.Sum(entry => entry.Bytes), (long)index["metadata"]!["total_size"]!);
        AdapterFixture.AreClose(it.Scores(), ScoresOf(it, it.PathOf("merged")), "the split folder");
    }

    [TestMethod]
    public void AClassifierKeepsItsHeadAndLabels()
    {
        using var bert = new TinyBert();
        var context = TestDevice.NewContext(seed: 1);
        IDataView data = Review.Load(context);
        using PeftTransformer model = context.Peft().Lora(bert.Folder, PeftTask.TextClassification(), maxEpochs: 2, learningRate: 1e-2).Fit(data);
        string folder = Path.Combine(bert.Folder, "merged");
        model.SaveMergedModel(folder);
        using PeftTransformer reloaded = context.Peft().LinearProbe(folder, PeftTask.TextClassification(), maxEpochs: 1, learningRate: 1e-9).Fit(data);
        Table.AreClose(Table.Read(model.Transform(data), "Score"), Table.Read(reloaded.Transform(data), "Score"), 1e-4, "scores");
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!;
        Assert.HasCount(2, config["id2label"]!.AsObject());
    }

    [TestMethod]
    public void MemoryDoesNotGrowWithTheCheckpoint()
    {
        long small = Peak(layers: 2), large = Peak(layers: 24);
        Assert.IsLessThan(small + (48L << 20), large, "anonymous memory at the peak of a merge");
    }

    private static long Peak(int layers)
    {
        using var it = new AdapterFixture(change: config =>
        {
            config["hidden_size"] = 512;
            config["intermediate_size"] = 1408;
            config["num_hidden_layers"] = layers;
        });
        it.Transformer.SaveAdapter(it.PathOf("adapter"));
        it.Transformer.Dispose();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long before = ProcessMemory.Anonymous(), peak = before;
        Task merge = Task.Run(() => it.Context.Peft().MergeAdapter(it.Base, it.PathOf("adapter"), it.PathOf("merged")));
        while (!merge.Wait(1))
            peak = Math.Max(peak, ProcessMemory.Anonymous());
        return peak - before;
    }

    private static string Halved(AdapterFixture it, ScalarType type)
    {
        string half = Directory.CreateDirectory(it.PathOf("half")).FullName;
        foreach (string file in Directory.GetFiles(it.Base))
            File.Copy(file, Path.Combine(half, Path.GetFileName(file)));
        using var full = SafetensorsFile.Open(Path.Combine(it.Base, "model.safetensors"));
        SafetensorsWriter.WriteFile(Path.Combine(half, "model.safetensors"), full.Names.Select(name => (name, full.Read(name).to(type))));
        return half;
    }

    private static float[] ScoresOf(AdapterFixture it, string folder)
    {
        using PeftTransformer plain = it.Context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = folder,
            Task = PeftTask.CausalLanguageModelling(),
            Training = new TrainingOptions { MaxSteps = 1, LearningRate = 1e-12 },
        }).Fit(it.Data);
        return it.Scores(plain, it.Data);
    }

    private static LoraOptions Options(string type, string kind)
    {
        bool llama = type == "llama";
        LoraOptions options = AdapterFixture.Options();
        options.TargetModules = llama ? ["q_proj", "down_proj"] : ["c_attn", "c_proj"];
        options.UseDora = kind == "dora";
        options.Bias = kind == "biases" ? LoraBias.All : LoraBias.None;
        if (kind == "tables")
            options.TargetModules = [.. options.TargetModules, llama ? "embed_tokens" : "wte", "lm_head"];
        if (kind == "whole")
            options.ModulesToSave = [llama ? "embed_tokens" : "wte", llama ? "norm" : "ln_f"];
        if (kind == "tokens")
            options.AddedTokens = ["<new>", "mat"];
        return options;
    }

    // Takes the base's hash out of an adapter, as PEFT writes none.
    internal static void Unsign(string folder)
    {
        string file = Path.Combine(folder, "adapter_model.safetensors"), copy = file + ".copy";
        using (var signed = SafetensorsFile.Open(file))
        {
            Assert.IsTrue(signed.Metadata.ContainsKey("base_sha256"));
            SafetensorsWriter.WriteFile(copy, signed.Names.Select(name => (name, signed.Read(name))));
        }
        File.Move(copy, file, overwrite: true);
    }
}
