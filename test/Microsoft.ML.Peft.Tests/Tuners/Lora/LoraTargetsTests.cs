using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Tests.Tuners.Lora;

/// <summary>Which modules LoRA is attached to: the rules of PEFT's <c>check_target_module_exists</c> and <c>_set_trainable</c>.</summary>
[TestClass]
public sealed class LoraTargetsTests
{
    [TestMethod]
    public void LayersAreChosenByTheirNumber()
    {
        LoraOptions options = Targets("q_proj", "down_proj");
        options.LayersToTransform = [1];
        CollectionAssert.AreEquivalent(new[] { "model.layers.1.self_attn.q_proj", "model.layers.1.mlp.down_proj" }, PathsOf(options));
    }

    [TestMethod]
    public void AWholePathIsInNoNeedOfALayer()
    {
        LoraOptions options = Targets("q_proj", "model.layers.0.mlp.up_proj");
        options.LayersToTransform = [1];
        CollectionAssert.AreEquivalent(new[] { "model.layers.1.self_attn.q_proj", "model.layers.0.mlp.up_proj" }, PathsOf(options));
    }

    [TestMethod]
    public void AnotherListOfLayersIsNotMeant()
    {
        LoraOptions options = Targets("q_proj");
        (options.LayersToTransform, options.LayersPattern) = ([1], ["blocks"]);
        Assert.Contains("q_proj", Assert.ThrowsExactly<ArgumentException>(() => PathsOf(options)).Message);
        options.LayersPattern = ["layers"];
        CollectionAssert.AreEqual(new[] { "model.layers.1.self_attn.q_proj" }, PathsOf(options));
    }

    [TestMethod]
    [DataRow("model.layers.3.experts.5.up", 3)]
    [DataRow("model.embed_tokens", null)]
    public void TheFirstNumberIsTheLayers(string path, int? layer) => Assert.AreEqual(layer, TargetMatcher.LayerOf(path, []));

    [TestMethod]
    public void AListIsExcludedByNameAndATextByPattern()
    {
        LoraOptions options = Targets("q_proj", "v_proj");
        options.ExcludeModules = ["0.self_attn.q_proj"];
        Assert.HasCount(3, PathsOf(options));
        (options.ExcludeModules, options.ExcludePattern) = ([], @".*\.0\..*");
        CollectionAssert.AreEqual(new[] { "model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.v_proj" }, PathsOf(options));
    }

    [TestMethod]
    public void AllLinearLeavesOutTheOutput()
    {
        string[] paths = PathsOf(Targets(LoraOptions.AllLinear));
        Assert.HasCount(14, paths);
        Assert.DoesNotContain("lm_head", paths);
    }

    [TestMethod]
    public void WhatTrainsAsAWholeIsNoTarget()
    {
        LoraOptions options = Targets("q_proj", "lm_head");
        options.ModulesToSave = ["lm_head"];
        using var decoder = new TunedDecoder(options);
        Assert.HasCount(1, decoder.Tuner.Trainable.Where(p => p.Name.StartsWith("lm_head", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void AModuleToSaveIsNamedByAnyEndOfItsPath()
    {
        LoraOptions options = Targets("q_proj");
        options.ModulesToSave = ["1.mlp", "ut_layernorm"];
        using var decoder = new TunedDecoder(options);
        var names = decoder.Tuner.Trainable.Select(p => p.Name).Where(n => !n.Contains("lora", StringComparison.Ordinal)).ToList();
        CollectionAssert.AreEquivalent(
            new[] { "layers.0.input_layernorm", "layers.1.input_layernorm", "layers.1.mlp.gate_proj", "layers.1.mlp.up_proj", "layers.1.mlp.down_proj" }
                .Select(name => $"model.{name}.weight").ToList(), names);
    }

    [TestMethod]
    [DataRow("mlp", "mlp")]
    [DataRow("input_layernorm", "input_layernorm")]
    public void AMatchThatCannotBeTunedIsAnError(string target, string named)
    {
        string message = Assert.ThrowsExactly<ArgumentException>(() => PathsOf(Targets("q_proj", target))).Message;
        Assert.Contains(named, message);
        Assert.Contains("neither", message);
    }

    [TestMethod]
    public void LayersNeedTargetsByName()
    {
        var options = new LoraOptions { TargetPattern = ".*q_proj", LayersToTransform = [0] };
        Assert.ThrowsExactly<ArgumentException>(options.Create);
        Assert.ThrowsExactly<ArgumentException>(new LoraOptions { LayersPattern = ["layers"] }.Create);
    }

    [TestMethod]
    [DataRow(LoraBias.None, 0)]
    [DataRow(LoraBias.LoraOnly, 2)]
    [DataRow(LoraBias.All, 13)]
    public void BiasesTrainByMode(LoraBias bias, int expected)
    {
        LoraOptions options = Targets("c_attn");
        options.Bias = bias;
        using var decoder = new TunedDecoder(options, "gpt2");
        string[] biases = [.. decoder.Tuner.Export().Select(t => t.Name).Where(n => n.EndsWith(".bias", StringComparison.Ordinal))];
        Assert.HasCount(expected, biases);
        Assert.HasCount(Math.Min(2, expected), biases.Where(n => n.EndsWith("c_attn.base_layer.bias", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void PatternsSetRankAndAlphaByTheEndOfThePath()
    {
        LoraOptions options = Targets("q_proj", "v_proj");
        (options.RankPattern, options.AlphaPattern) = (new Dictionary<string, int> { [@"1\.self_attn\.q_proj"] = 3 }, new Dictionary<string, double> { ["v_proj"] = 4 });
        using var decoder = new TunedDecoder(options);
        Assert.AreEqual(3, decoder.Tuner.Trainable.Single(p => p.Name == "model.layers.1.self_attn.q_proj.lora_A.weight").Value.shape[0]);
        Assert.AreEqual(8, decoder.Tuner.Trainable.Single(p => p.Name == "model.layers.0.self_attn.q_proj.lora_A.weight").Value.shape[0]);
    }

    private static LoraOptions Targets(params string[] names) => new() { TargetModules = names };

    private static string[] PathsOf(LoraOptions options)
    {
        using var decoder = new TunedDecoder(options);
        return [.. decoder.Tuner.Parts.Select(p => p.Path)];
    }
}
