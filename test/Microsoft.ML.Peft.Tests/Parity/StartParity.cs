using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Lora;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>What a start makes of one weight: the update, and what is left of the weight.</summary>
internal static class StartParity
{
    private const string Family = "lora-start-";

    public static void Run(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Tensor weight = parity.Input("in.weight");
        using var weights = new ModelWeights(null, "base", TestDevice.Device, 0.02, seed: 1);
        var site = new Projection(weights.Root["base"]["layer"], weight.shape[1], weight.shape[0], bias: false);
        site.Parameters[0].Assign(weight);
        using ITuner tuner = Options(parity).Create();
        tuner.Attach(new TuningTarget(weights, ["layer"], []), seed: 1);

        // Rows of the identity give the columns of the matrix that is at work.
        Tensor identity = eye(weight.shape[1]), whole = site.Forward(identity, ForwardContext.Inference).t();
        TensorAssert.Close(weight, whole, parity.Absolute, parity.Relative, "the whole at the start");
        CheckNorms(parity, tuner);
        foreach (Parameter parameter in tuner.Trainable)
            parameter.Assign(zeros_like(parameter.Value));
        Tensor rest = site.Forward(identity, ForwardContext.Inference).t();
        parity.Check("out.base_weight", rest);
        parity.Check("out.product", whole - rest);
    }

    /// <summary>LoftQ: the matrix under the adapter is packed, and together with the update nearer to the floats than alone.</summary>
    public static void RunLoftq(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Tensor weight = parity.Input("in.weight");
        Match call = Regex.Match(parity.Json["call"]!.GetValue<string>(), @"NF4 blocks of (\d+), rank (\d+), (\d+) iteration");
        var checkpoint = SharedCheckpoint.From(new HeldTensors("case", new Dictionary<string, Tensor> { ["base.layer.weight"] = weight.clone().DetachFromDisposeScope() }));
        using var weights = new ModelWeights(checkpoint, "base", TestDevice.Device, 0.02, seed: 1, new QuantizationOptions { BlockSize = int.Parse(call.Groups[1].ValueSpan) });
        var site = new Projection(weights.Root["base"]["layer"], weight.shape[1], weight.shape[0], bias: false);
        Tensor identity = eye(weight.shape[1]), packed = site.Weight.Dequantize();
        using ITuner tuner = LoraConfigFile.Read(JsonNode.Parse(
            $$$"""{"r": {{{call.Groups[2]}}}, "lora_alpha": {{{call.Groups[2]}}}, "init_lora_weights": "loftq", "loftq_config": {"loftq_bits": 4, "loftq_iter": {{{call.Groups[3]}}}}}""")!.AsObject(), parity.Folder).Create();
        tuner.Attach(new TuningTarget(weights, ["layer"], []), seed: 1);

        Tensor whole = site.Forward(identity, ForwardContext.Inference).t();
        Assert.IsLessThan((weight - packed).norm().item<float>(), (weight - whole).norm().item<float>(), "distance from the floats");
        foreach (Parameter parameter in tuner.Trainable)
            parameter.Assign(zeros_like(parameter.Value));
        Tensor rest = site.Forward(identity, ForwardContext.Inference).t();
        parity.Check("out.base_weight", rest);
        parity.Check("out.product", whole - rest);
    }

    private static LoraOptions Options(ParityCase parity)
    {
        Match call = Regex.Match(parity.Json["call"]!.GetValue<string>(), @"r (\d+), alpha (\d+)");
        string start = parity.Json["case"]!.GetValue<string>()[Family.Length..];
        return LoraConfigFile.Read(
            JsonNode.Parse($$"""{"r": {{call.Groups[1]}}, "lora_alpha": {{call.Groups[2]}}, "init_lora_weights": "{{start}}"}""")!.AsObject(), parity.Folder);
    }

    private static void CheckNorms(ParityCase parity, ITuner tuner)
    {
        if (parity.Has("out.delta_norms"))
            parity.Check("out.delta_norms", stack(tuner.Trainable.Select(p => p.Value.norm())));
    }
}
