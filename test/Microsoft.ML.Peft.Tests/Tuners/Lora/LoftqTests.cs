using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Estimators.Adapters;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tuners.Lora;

/// <summary>LoRA that starts as what quantization lost.</summary>
[TestClass]
public sealed class LoftqTests
{
    private const string Query = "model.layers.0.self_attn.q_proj";

    [TestMethod]
    [DataRow("llama")]
    [DataRow("gpt2")]
    public void EachIterationStartsNearerToTheFloatsWhateverTheAlpha(string type)
    {
        using var decoder = new TestSupport.TinyDecoder(type);
        foreach (QuantizationFormat format in Enum.GetValues<QuantizationFormat>())
        {
            using var scope = NewDisposeScope();
            using PretrainedModel floats = Open(decoder.Folder, null);
            var quantization = new QuantizationOptions { Format = format };
            double plain = Distance(floats, decoder.Folder, quantization, null);
            double[] distances = [.. new[] { 1, 4 }.Select(iterations => Distance(
                floats, decoder.Folder, quantization, new LoraOptions { Rank = 4, Alpha = 32, Start = LoraStart.Loftq, LoftqIterations = iterations }))];
            Assert.IsLessThan(plain, distances[0], $"{format}");
            Assert.IsLessThan(distances[0], distances[1], $"{format}");
        }
    }

    [TestMethod]
    public void OneIterationIsAnAdapterOfThePlainQuantizedBase()
    {
        using var it = new AdapterFixture();
        using PeftTransformer model = Fit(it, Options(iterations: 1), embed: false);
        float[] expected = it.Scores(model, it.Data);
        string folder = it.PathOf("adapter");
        model.SaveAdapter(folder);
        Assert.Contains("\"init_lora_weights\": true", File.ReadAllText(Path.Combine(folder, "adapter_config.json")));
        model.Adapters.Load("again", folder);
        model.Adapters.Activate(model.Adapters["again"]);
        AdapterFixture.AreClose(expected, it.Scores(model, it.Data), "the adapter on the base as it is", 0);
    }

    [TestMethod]
    [DataRow(1, true)]
    [DataRow(3, true)]
    [DataRow(3, false)]
    public void AnArchiveBringsItsMatricesAndNeedsNoFloats(int iterations, bool embed)
    {
        using var it = new AdapterFixture();
        using PeftTransformer model = Fit(it, Options(iterations), embed);
        float[] expected = it.Scores(model, it.Data);
        string file = it.PathOf("model.zip");
        it.Context.Model.Save(model, it.Data.Schema, file);
        using var loaded = (PeftTransformer)it.Context.Model.Load(file, out _);
        AdapterFixture.AreClose(expected, it.Scores(loaded, it.Data), "loaded", 0);
        it.Context.Model.Save(loaded, it.Data.Schema, file);
        using var again = (PeftTransformer)it.Context.Model.Load(file, out _);
        AdapterFixture.AreClose(expected, it.Scores(again, it.Data), "the second generation", 0);
    }

    [TestMethod]
    public void MatricesOfItsOwnLeaveTheBaseToOthers()
    {
        using var it = new AdapterFixture();
        using PeftTransformer plain = Fit(it, AdapterFixture.Options(), embed: true), model = Fit(it, Options(iterations: 3), embed: true);
        plain.Adapters.Activate(null);
        float[] tuned = it.Scores(model, it.Data);
        model.Adapters.Activate(null);
        AdapterFixture.AreClose(it.Scores(plain, it.Data), it.Scores(model, it.Data), "the bare base", 0);
        model.Adapters.Merge(model.Adapters["default"]);
        float[] merged = it.Scores(model, it.Data);
        AdapterFixture.Differ(it.Scores(plain, it.Data), merged, "merged");
        model.Adapters.Unmerge();
        AdapterFixture.AreClose(tuned, it.Scores(model, it.Data), "unmerged", 0);
        Assert.Contains("LoftqIterations", Assert.ThrowsExactly<NotSupportedException>(() => model.SaveAdapter(it.PathOf("no"))).Message);
        Assert.Contains("own", Assert.ThrowsExactly<NotSupportedException>(() => model.SaveGgufAdapter(it.PathOf("no.gguf"))).Message);
        Assert.Contains("own", Assert.ThrowsExactly<NotSupportedException>(() => model.Adapters.Mix("mix", [(model.Adapters["default"], 1)])).Message);
    }

    [TestMethod]
    public void ABaseWithoutFloatsOrWithoutCodesIsRefused()
    {
        using var decoder = new TestSupport.TinyDecoder();
        using (PretrainedModel floats = Open(decoder.Folder, null))
            Assert.Contains("none of the tuned matrices is quantized", Assert.ThrowsExactly<ArgumentException>(() => Attach(floats, Options(1))).Message);
        using (PretrainedModel quantized = Open(decoder.Folder, new()))
            Assert.Contains("Rank 64", Assert.ThrowsExactly<ArgumentException>(() => Attach(quantized, new LoraOptions { Rank = 64, Start = LoraStart.Loftq })).Message);
        Repack(decoder.Folder);
        using PretrainedModel packed = Open(decoder.Folder, null);
        Assert.Contains($"'{Query}.weight'", Assert.ThrowsExactly<ArgumentException>(() => Attach(packed, Options(1))).Message);
        Assert.Contains("LoftqIterations", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Options(0).Create()).Message);
    }

    [TestMethod]
    [DataRow(LoraStart.Uniform, false)]
    [DataRow(LoraStart.Gaussian, false)]
    [DataRow(LoraStart.Loftq, false)]
    [DataRow(LoraStart.Uniform, true)]
    public void WhatIsReadIsNotWorkedOutFirst(LoraStart start, bool dora)
    {
        using var decoder = new TestSupport.TinyDecoder();
        using PretrainedModel model = Open(decoder.Folder, new());
        var options = new LoraOptions { Start = start, UseDora = dora };
        using ITuner first = Attach(model, options);
        using var saved = AdapterState.Of("saved", first, options);
        using ITuner second = options.Create();
        second.Attach(new TuningTarget(model.Weights, model.DefaultTargets, [], saved.Tensors), seed: 1, "second");
        Assert.IsTrue(second.Trainable.All(p => p.Value.eq(0).all().item<bool>()), "values before they are read");
        second.Import(saved.Tensors);
        foreach (var (expected, found) in first.Trainable.Zip(second.Trainable))
            TensorAssert.Close(expected.Value, found.Value, 0, 0, expected.Name);
    }

    private static LoraOptions Options(int iterations) => new() { Rank = 4, Alpha = 8, Start = LoraStart.Loftq, LoftqIterations = iterations };

    private static ITuner Attach(PretrainedModel model, LoraOptions options)
    {
        ITuner tuner = options.Create();
        tuner.Attach(new TuningTarget(model.Weights, model.DefaultTargets, []), seed: 1);
        return tuner;
    }

    private static PretrainedModel Open(string folder, QuantizationOptions? quantization) =>
        ModelRegistry.Create(HfConfig.Load(folder), SharedCheckpoint.Acquire(folder, CPU), CPU, seed: 1, quantization);

    private static void Repack(string folder)
    {
        string file = Path.Combine(folder, "model.safetensors"), beside = file + ".packed";
        using (var scope = NewDisposeScope())
        using (PretrainedModel model = Open(folder, new()))
        {
            model.As<ICausalLanguageModel>().CreateLanguageModelHead();
            SafetensorsWriter.WriteFile(beside, model.Weights.BaseTensors());
        }
        File.Move(beside, file, overwrite: true);
    }

    /// <summary>Of all tuned matrices together with their updates from the floats.</summary>
    private static double Distance(PretrainedModel floats, string folder, QuantizationOptions quantization, LoraOptions? lora)
    {
        using var noGrad = no_grad();
        using PretrainedModel model = Open(folder, quantization);
        using ITuner? tuner = lora is null ? null : Attach(model, lora);
        var expected = floats.Sites.Projections.ToDictionary(site => site.Path);
        return Math.Sqrt(model.Sites.Projections.Where(site => model.DefaultTargets.Any(name => site.Path.EndsWith(name, StringComparison.Ordinal))).Sum(site =>
        {
            using var scope = NewDisposeScope();
            Tensor identity = eye(site.Weight.Inputs), bias = site.Bias?.Value ?? zeros(site.Weight.Outputs);
            Tensor found = (site.Forward(identity, ForwardContext.Inference) - bias).t();
            return (found - expected[site.Path].Weight.Dequantize()).square().sum().item<float>();
        }));
    }

    private static PeftTransformer Fit(AdapterFixture it, LoraOptions lora, bool embed) => it.Context.Peft().Lora(new LoraFineTune.Options
    {
        BaseModel = it.Base,
        Task = PeftTask.CausalLanguageModelling(),
        Lora = lora,
        Quantization = new QuantizationOptions { DoubleQuantization = true },
        EmbedBase = embed,
        Training = new TrainingOptions { MaxSteps = 4, MaxEpochs = 4, LearningRate = 5e-2, BatchSize = 1 },
    }).Fit(it.Context.Data.LoadFromEnumerable([new AdapterFixture.Row { Text = "the quick brown fox" }]));
}
