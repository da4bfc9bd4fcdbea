using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Quantization;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>Codes, scales and values against bitsandbytes: bytes to the bit.</summary>
internal static class QuantizationParity
{
    /// <summary>The options that a case states; null where it states none.</summary>
    public static QuantizationOptions? Options(JsonNode? stated) => stated is null ? null : new QuantizationOptions
    {
        Format = Enum.Parse<QuantizationFormat>(stated["type"]!.GetValue<string>(), ignoreCase: true),
        BlockSize = stated["block"]!.GetValue<int>(),
        DoubleQuantization = stated["double"]!.GetValue<bool>(),
    };

    /// <summary>The quantized base of a case, without its adapter.</summary>
    public static void CheckBase(ParityCase parity, LoadedModel loaded)
    {
        if (parity.Json["quantization"] is null)
            return;
        using var noGrad = no_grad();
        parity.Check("out.base_logits", loaded.Logits(ForwardContext.Inference));
        parity.Check("out.q_proj_0_dequantized", loaded.Model.Sites.Projections.First(p => p.Path.EndsWith(".0.self_attn.q_proj", StringComparison.Ordinal)).Weight.Dequantize());
    }

    public static void FourBit(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        Tensor weight = parity.Input("in.weight");
        bool nested = parity.Json["double_quant"]!.GetValue<bool>();
        using Blockwise4Bit matrix = Quantize(parity, weight, parity.Json["blocksize"]!.GetValue<int>());
        var parts = matrix.Export("weight", transposed: false).ToDictionary(part => part.Name, part => part.Value);
        parity.CheckExactly("out.packed", parts["weight"]);
        parity.CheckExactly("out.code", parts["weight.quant_map"]);
        if (nested)
        {
            parity.CheckExactly("out.absmax_8bit", parts["weight.absmax"]);
            parity.CheckExactly("out.absmax2", parts["weight.nested_absmax"]);
            parity.CheckExactly("out.code2", parts["weight.nested_quant_map"]);
            parity.Check("out.offset", tensor(matrix.Scales.Offset));
        }
        parity.CheckExactly("out.absmax", matrix.Scales.Values());
        parity.CheckExactly("out.dequantized", matrix.Dequantize().to(weight.dtype));
        parity.CheckExactly("out.dequantized", matrix.Plainly().to(weight.dtype));
    }

    public static void EightBit(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using Blockwise8Bit matrix = Blockwise8Bit.Quantize(parity.Input("in.weight"), parity.Json["blocksize"]!.GetValue<int>(), "weight");
        parity.CheckExactly("out.codes", matrix.Codes);
        parity.CheckExactly("out.code", tensor(DynamicMap.Levels));
        parity.CheckExactly("out.absmax", matrix.Scales.Values());
        parity.CheckExactly("out.dequantized", matrix.Dequantize());
        parity.CheckExactly("out.dequantized", matrix.Plainly());
    }

    public static void Rowwise(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using Rowwise8Bit matrix = Rowwise8Bit.Quantize(parity.Input("in.weight"), parity.Json["threshold"]?.GetValue<double>() ?? 0, "weight");
        parity.CheckExactly("out.codes", matrix.Codes);
        parity.CheckExactly("out.absmax", matrix.Scales.Values());
    }

    public static void Linear(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using Blockwise4Bit matrix = Quantize(parity, parity.Input("in.weight"), parity.Json["blocksize"]?.GetValue<int>() ?? 64);
        Tensor input = parity.Input("in.x").clone().requires_grad_(true);
        using var store = new QuantizedWeight("weight", matrix, owned: false, transposed: false, options: null);
        Tensor output = store.Multiply(input, parity.Has("in.bias") ? parity.Input("in.bias") : null);
        parity.Check("out.y", output);
        output.backward([parity.Has("in.grad_y") ? parity.Input("in.grad_y") : ones_like(output)]);
        parity.Check("out.grad_x", input.grad!);
    }

    private static Blockwise4Bit Quantize(ParityCase parity, Tensor weight, int block) => Blockwise4Bit.Quantize(
        weight, FourBitCode.All.Single(code => code.Name == parity.Json["quant_type"]!.GetValue<string>()), block,
        parity.Json["double_quant"]!.GetValue<bool>(), "weight");
}
