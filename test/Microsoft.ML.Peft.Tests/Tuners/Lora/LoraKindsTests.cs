using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Tuners.Lora;

/// <summary>What every kind of LoRA must keep: it starts as the base, merges to the same answers, comes back, and reloads.</summary>
[TestClass]
public sealed class LoraKindsTests
{
    private static readonly long[] Ids = [3, 7, 7, 1, 19, 0];

    public static IEnumerable<object[]> Kinds =>
        from type in new[] { "llama", "gpt2" }
        from kind in new[] { "plain", "dora", "pissa", "pissa-4", "olora", "dora-pissa", "rslora-olora", "gaussian", "whole", "rows", "new", "biases" }
        from tied in new[] { true, false }
        select new object[] { type, kind, tied };

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void TheModelStartsAsItWas(string type, string kind, bool tied)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var decoder = new TunedDecoder(Of(kind, type), type, tied);
        TensorAssert.Close(
            decoder.Logits(new ForwardContext { Adapter = null }, Ids), decoder.Logits(Ids)[.., .., ..TinyDecoder.Vocabulary], 1e-5, 1e-4, "logits at the start");
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void MergingKeepsTheAnswersAndUnmergingTheBits(string type, string kind, bool tied)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        LoraOptions options = Of(kind, type);
        // A merge changes the shared table of a tied head for both its users, as in PEFT: no word on it here.
        options.TargetModules = tied ? [.. options.TargetModules!.Where(name => name is not ("lm_head" or "embed_tokens" or "wte"))] : options.TargetModules;
        using var decoder = new TunedDecoder(options, type, tied);
        decoder.Disturb();
        using Tensor before = decoder.Logits(Ids);
        Assert.IsTrue(decoder.Tuner.TryMerge());
        TensorAssert.Close(before, decoder.Logits(Ids), 2e-5, 1e-4, "merged logits");
        decoder.Tuner.Unmerge();
        TensorAssert.Close(before, decoder.Logits(Ids), 0, 0, "unmerged logits");
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void WhatIsSavedReloadsOnThePlainBase(string type, string kind, bool tied)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var decoder = new TunedDecoder(Of(kind, type), type, tied);
        decoder.Disturb();
        using TunedDecoder reloaded = decoder.Reloaded(type, tied);
        TensorAssert.Close(decoder.Logits(Ids), reloaded.Logits(Ids), 1e-5, 1e-4, "reloaded logits");
    }

    [TestMethod]
    public void AMergedTiedTableChangesForBoth()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var decoder = new TunedDecoder(new LoraOptions { TargetModules = ["embed_tokens", "lm_head"] });
        decoder.Disturb();
        Tensor before = decoder.Table.Value.clone();
        Tensor embedding = UpdateOf("model.embed_tokens.lora_embedding_A", "model.embed_tokens.lora_embedding_B", transposed: true);
        Tensor head = UpdateOf("lm_head.lora_A.weight", "lm_head.lora_B.weight", transposed: false);
        decoder.Tuner.TryMerge();
        TensorAssert.Close(before + embedding + head, decoder.Table.Value, 1e-6, 1e-5, "merged table");
        decoder.Tuner.Unmerge();
        TensorAssert.Close(before, decoder.Table.Value, 0, 0, "unmerged table");

        Tensor UpdateOf(string a, string b, bool transposed)
        {
            Tensor product = Value(b).mm(Value(a));
            return transposed ? product.t() : product;
        }

        Tensor Value(string name) => decoder.Tuner.Trainable.Single(p => p.Name == name).Value;
    }

    [TestMethod]
    [DataRow("llama")]
    [DataRow("gpt2")]
    public void ATransposedWeightIsNoted(string type)
    {
        using var decoder = new TunedDecoder(Of("plain", type), type);
        var config = ((IPeftAdapterFormat)decoder.Tuner.SettingsForExport(decoder.Options)).ToAdapterConfig(null, "");
        Assert.AreEqual(type == "gpt2", (bool)config["fan_in_fan_out"]!);
    }

    [TestMethod]
    public void AStartOfTheWeightIsSavedAsPeftConvertsIt()
    {
        using var decoder = new TunedDecoder(new LoraOptions { Rank = 3, Alpha = 6, Start = LoraStart.Pissa, RankPattern = new Dictionary<string, int> { ["v_proj"] = 2 } });
        var config = ((IPeftAdapterFormat)decoder.Tuner.SettingsForExport(decoder.Options)).ToAdapterConfig(null, "");
        Assert.AreEqual(6, (int)config["r"]!);
        Assert.AreEqual(12, (double)config["lora_alpha"]!);
        Assert.AreEqual(4, (int)config["rank_pattern"]!["v_proj"]!);
        Assert.IsTrue((bool)config["init_lora_weights"]!);
    }

    [TestMethod]
    public void LoraPlusTrainsBFaster()
    {
        using var decoder = new TunedDecoder(new LoraOptions { LoraPlusRatio = 16, UseDora = true });
        foreach (Parameter parameter in decoder.Tuner.Trainable)
            Assert.AreEqual(parameter.Name.Contains("lora_A", StringComparison.Ordinal) ? 1 : 16, parameter.LearningRateScale, parameter.Name);
    }

    [TestMethod]
    public void NamedAdaptersLiveSideBySide()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var decoder = new TunedDecoder(Of("plain", "llama"));
        decoder.Disturb();
        Tensor alone = decoder.Logits(Ids);
        using var second = (LoraTuner)Of("whole", "llama").Create();
        second.Attach(new Microsoft.ML.Peft.Tuners.TuningTarget(decoder.Weights, [], []), seed: 2, adapter: "second");
        foreach (Parameter parameter in second.Trainable)
            parameter.Value.add_(0.1);
        TensorAssert.Close(alone, decoder.Logits(Ids), 0, 0, "the first adapter");
        Assert.IsGreaterThan(1e-3, (alone - decoder.Logits(new ForwardContext { Adapter = "second" }, Ids)).abs().max().item<float>());
    }

    private static LoraOptions Of(string kind, string type)
    {
        bool llama = type == "llama";
        string table = llama ? "embed_tokens" : "wte";
        var options = new LoraOptions
        {
            Rank = 3,
            Alpha = 6,
            TargetModules = llama ? ["q_proj", "down_proj", "embed_tokens", "lm_head"] : ["c_attn", "c_proj", "wte", "lm_head"],
            UseDora = kind.StartsWith("dora", StringComparison.Ordinal),
            UseRankStabilizedScaling = kind.StartsWith("rslora", StringComparison.Ordinal),
            Start = kind switch
            {
                "pissa" or "pissa-4" or "dora-pissa" => LoraStart.Pissa,
                "olora" or "rslora-olora" => LoraStart.Olora,
                "gaussian" => LoraStart.Gaussian,
                _ => LoraStart.Uniform,
            },
            PissaIterations = kind == "pissa-4" ? 4 : null,
            Bias = kind == "biases" ? LoraBias.All : LoraBias.None,
        };
        if (kind is "whole" or "rows" or "new")
            options.TargetModules = [options.TargetModules[0]];
        if (kind == "whole")
            options.ModulesToSave = [table, "lm_head"];
        if (kind == "rows")
            options.TrainableTokens = [7, 1, 12];
        if (kind == "new")
            options.NewTokenIds = [TinyDecoder.Vocabulary, TinyDecoder.Vocabulary + 1];
        return options;
    }
}
