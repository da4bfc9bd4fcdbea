using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Estimators.Adapters;

/// <summary>Models whose table of tokens and output matrix are in few bits: archives, merged folders, and tuners that need floats there.</summary>
[TestClass]
public sealed class PackedVocabularyTests
{
    public static IEnumerable<object[]> Kinds =>
        from type in new[] { "llama", "gpt2" }
        from tied in new[] { false, true }
        from format in new[] { QuantizationFormat.Int8Rowwise, QuantizationFormat.BFloat16 }
        where type == "llama" || tied
        select new object[] { type, tied, format };

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void AnArchiveHoldsItAsItWas(string type, bool tied, QuantizationFormat format)
    {
        using var it = new AdapterFixture(type, config => config["tie_word_embeddings"] = tied);
        using PeftTransformer model = Fit(it, AdapterFixture.Options(), format);
        float[] expected = it.Scores(model, it.Data);
        AdapterFixture.AreClose(it.Scores(), expected, "near the floats", 0.2);
        AdapterFixture.Differ(it.Scores(), expected, "not the floats");
        string file = it.PathOf("model.zip");
        it.Context.Model.Save(model, it.Data.Schema, file);
        using var loaded = (PeftTransformer)it.Context.Model.Load(file, out _);
        AdapterFixture.AreClose(expected, it.Scores(loaded, it.Data), "loaded", 1e-6);
        Assert.AreEqual(model.Weights, loaded.Weights);
    }

    /// <summary>Transformers and bitsandbytes have no such vocabulary: a folder for them holds the base's own, or floats where only the few bits are left.</summary>
    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void AMergedFolderHoldsFloats(string type, bool tied, QuantizationFormat format)
    {
        using var it = new AdapterFixture(type, config => config["tie_word_embeddings"] = tied);
        using PeftTransformer model = Fit(it, AdapterFixture.Options(), format);
        model.SaveMergedModel(it.PathOf("merged"));
        string file = it.PathOf("model.zip");
        it.Context.Model.Save(model, it.Data.Schema, file);
        using (var loaded = (PeftTransformer)it.Context.Model.Load(file, out _))
            loaded.SaveMergedModel(it.PathOf("later"));

        using var scope = NewDisposeScope();
        using var before = SafetensorsFile.Open(Path.Combine(it.Base, "model.safetensors"));
        using var after = SafetensorsFile.Open(Path.Combine(it.PathOf("merged"), "model.safetensors"));
        using var later = SafetensorsFile.Open(Path.Combine(it.PathOf("later"), "model.safetensors"));
        CollectionAssert.AreEquivalent(after.Names.ToList(), later.Names.ToList());
        string[] tables = [.. before.Names.Where(name => name.Contains("embed_tokens") || name.Contains("wte") || name.Contains("lm_head"))];
        Assert.HasCount(tied ? 1 : 2, tables);
        foreach (string name in tables)
        {
            TensorAssert.Close(before.Read(name), after.Read(name), 0, 0, name);
            Tensor left = later.Read(name);
            Assert.AreEqual(format == QuantizationFormat.BFloat16 ? ScalarType.BFloat16 : ScalarType.Float32, left.dtype);
            TensorAssert.Close(before.Read(name), left.to(ScalarType.Float32), 5e-3, 5e-3, name);
        }
    }

    [TestMethod]
    public void TunersThatChangeTheTableRefuse()
    {
        using var it = new AdapterFixture();
        foreach (LoraOptions lora in new LoraOptions[]
        {
            new() { TargetModules = ["embed_tokens"] },
            new() { TargetModules = ["q_proj"], ModulesToSave = ["embed_tokens"] },
            new() { TargetModules = ["q_proj"], TrainableTokens = [3, 4] },
        })
        {
            var refused = Assert.ThrowsExactly<NotSupportedException>(() => Fit(it, lora, QuantizationFormat.Int8Rowwise).Dispose());
            Assert.Contains("embed_tokens", refused.Message);
            Assert.Contains("quantized", refused.Message);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void TheOutputMatrixTakesAnUpdate(string type, bool tied, QuantizationFormat format)
    {
        using var it = new AdapterFixture(type, config => config["tie_word_embeddings"] = tied);
        using PeftTransformer model = Fit(it, new LoraOptions { TargetModules = [type == "llama" ? "q_proj" : "c_attn", "lm_head"] }, format);
        model.SaveMergedModel(it.PathOf("merged"));
        using PeftTransformer merged = it.Context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = it.PathOf("merged"),
            Task = PeftTask.CausalLanguageModelling(),
            Training = new TrainingOptions { MaxSteps = 1, LearningRate = 1e-12 },
        }).Fit(it.Data);
        // The table is the base's own again where the head has left it.
        AdapterFixture.AreClose(it.Scores(model, it.Data), it.Scores(merged, it.Data), "the merged folder", 0.05);
        AdapterFixture.Differ(it.Scores(), it.Scores(merged, it.Data), "the base alone");
    }

    private static PeftTransformer Fit(AdapterFixture it, LoraOptions lora, QuantizationFormat vocabulary) => it.Context.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = it.Base,
        Task = PeftTask.CausalLanguageModelling(),
        Lora = lora,
        Quantization = new QuantizationOptions { Format = QuantizationFormat.BFloat16, VocabularyFormat = vocabulary },
        Training = new TrainingOptions { MaxSteps = 4, MaxEpochs = 4, LearningRate = 5e-2, BatchSize = 1 },
    }).Fit(it.Context.Data.LoadFromEnumerable([new AdapterFixture.Row { Text = "the quick brown fox" }]));
}
