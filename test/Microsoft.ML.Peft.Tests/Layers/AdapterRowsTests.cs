using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Tests.Tuners.Lora;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Layers;

/// <summary>Rows of one batch under adapters of their own.</summary>
[TestClass]
public sealed class AdapterRowsTests
{
    private static readonly long[][] s_rows = [[1, 7, 3, 9], [2, 12, 5, 1], [3, 3, 8, 14], [19, 0, 4, 6], [7, 7, 1, 2]];

    [TestMethod]
    [DataRow("llama", "default second __ default second", DisplayName = "llama, mixed up")]
    [DataRow("llama", "default default second second __", DisplayName = "llama, side by side")]
    [DataRow("gpt2", "second __ default second default", DisplayName = "gpt2, mixed up")]
    [DataRow("llama", "__ __ __ __ __", DisplayName = "llama, all bare")]
    public void EachRowIsAsAlone(string type, string names)
    {
        string?[] adapters = [.. names.Split(' ').Select(name => name == "__" ? null : name)];
        bool llama = type == "llama";
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var decoder = new TunedDecoder(new LoraOptions { Rank = 3, TargetModules = llama ? ["q_proj", "embed_tokens", "lm_head"] : ["c_attn", "wpe"] }, type, tied: false);
        using ITuner second = new LoraOptions
        {
            Rank = 2, UseDora = true, TargetModules = llama ? ["q_proj", "v_proj"] : ["c_proj"], ModulesToSave = [llama ? "embed_tokens" : "wte", "lm_head"],
        }.Create();
        second.Attach(new TuningTarget(decoder.Weights, [], []), seed: 2, "second");
        foreach (Parameter parameter in second.Trainable)
            parameter.Value.add_(0.1);
        decoder.Disturb();

        ForwardContext context = ForwardContext.ForRows(adapters, CPU);
        using AdapterRows? rows = context.Rows;
        Tensor together = decoder.LogitsOf(context, s_rows);
        for (int i = 0; i < s_rows.Length; i++)
            TensorAssert.Close(decoder.Logits(new ForwardContext { Adapter = adapters[i] }, s_rows[i])[0], together[i], 1e-5, 1e-4, $"row {i} under '{adapters[i]}'");
    }

    [TestMethod]
    public void RowsOfATokenAddingAdapterStandAlone()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var decoder = new TunedDecoder(new LoraOptions { NewTokenIds = [TinyDecoder.Vocabulary] });
        ForwardContext context = ForwardContext.ForRows(["default", null], CPU);
        using AdapterRows? rows = context.Rows;
        Assert.Contains("'default'", Assert.ThrowsExactly<NotSupportedException>(() => decoder.LogitsOf(context, s_rows[..2])).Message);
    }
}
