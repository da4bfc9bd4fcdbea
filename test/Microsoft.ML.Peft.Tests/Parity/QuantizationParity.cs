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

    /// <summary>
    /// The quantized base of a case, without its adapter. Some cases were made on a CPU with AVX-512, where bitsandbytes 0.50.2
    /// takes wrong scales for rows that are no whole blocks (<see cref="MisreadMatrix"/>). Such a case shows by its base logits,
    /// and goes on over matrices that are misread in the same way: it then still holds adapter, training and merging.
    /// </summary>
    public static void CheckBase(ParityCase parity, LoadedModel loaded)
    {
        if (!parity.Has("out.base_logits"))
            return;
        using var noGrad = no_grad();
        QuantizedWeight[] ragged = [.. loaded.Model.Weights.Quantized.Where(weight => weight.Matrix is Blockwise4Bit four && MisreadMatrix.Differs(four))];
        if (ragged.Length > 0 && !IsClose(parity, "out.base_logits", loaded.Logits(ForwardContext.Inference)))
        {
            Console.WriteLine($"The reference misread the scales of {string.Join(", ", ragged.Select(weight => weight.Name))}.");
            foreach (QuantizedWeight weight in ragged)
                weight.Cover(new MisreadMatrix((Blockwise4Bit)weight.Matrix));
        }
        parity.Check("out.base_logits", loaded.Logits(ForwardContext.Inference));
        parity.Check("out.q_proj_0_dequantized", loaded.Model.Sites.Projections.First(p => p.Path.EndsWith(".0.self_attn.q_proj", StringComparison.Ordinal)).Weight.Dequantize());
    }

    public static void FourBit(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        Tensor weight = parity.Read("in.weight");
        bool nested = parity.Json["double_quant"]!.GetValue<bool>();
        using Blockwise4Bit matrix = Quantize(parity, weight, parity.Json["blocksize"]!.GetValue<int>());
        var parts = matrix.Export("weight", transposed: false).ToDictionary(part => part.Name, part => part.Value);
        Same(parity, "out.packed", parts["weight"]);
        Same(parity, "out.code", parts["weight.quant_map"]);
        if (nested)
        {
            Same(parity, "out.absmax_8bit", parts["weight.absmax"]);
            Same(parity, "out.absmax2", parts["weight.nested_absmax"]);
            Same(parity, "out.code2", parts["weight.nested_quant_map"]);
            parity.Check("out.offset", tensor(matrix.Scales.Offset));
        }
        Same(parity, "out.absmax", matrix.Scales.Values());
        Same(parity, "out.dequantized", matrix.Dequantize().to(weight.dtype));
        Same(parity, "out.dequantized", matrix.Plainly().to(weight.dtype));
    }

    public static void EightBit(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using Blockwise8Bit matrix = Blockwise8Bit.Quantize(parity.Read("in.weight"), parity.Json["blocksize"]!.GetValue<int>(), "weight");
        Same(parity, "out.codes", matrix.Codes);
        Same(parity, "out.code", tensor(DynamicMap.Levels));
        Same(parity, "out.absmax", matrix.Scales.Values());
        Same(parity, "out.dequantized", matrix.Dequantize());
        Same(parity, "out.dequantized", matrix.Plainly());
    }

    public static void Rowwise(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using Rowwise8Bit matrix = Rowwise8Bit.Quantize(parity.Read("in.weight"), parity.Json["threshold"]?.GetValue<double>() ?? 0, "weight");
        Same(parity, "out.codes", matrix.Codes);
        Same(parity, "out.absmax", matrix.Scales.Values());
    }

    public static void Linear(ParityCase parity)
    {
        using var scope = NewDisposeScope();
        using Blockwise4Bit matrix = Quantize(parity, parity.Read("in.weight"), parity.Json["blocksize"]?.GetValue<int>() ?? 64);
        Tensor input = parity.Read("in.x").clone().requires_grad_(true);
        using var store = new QuantizedWeight("weight", matrix, owned: false, transposed: false, options: null);
        Tensor output = store.Multiply(input, parity.Has("in.bias") ? parity.Read("in.bias") : null);
        parity.Check("out.y", output);
        output.backward([parity.Has("in.grad_y") ? parity.Read("in.grad_y") : ones_like(output)]);
        parity.Check("out.grad_x", input.grad!);
    }

    private static Blockwise4Bit Quantize(ParityCase parity, Tensor weight, int block) => Blockwise4Bit.Quantize(
        weight, FourBitCode.All.Single(code => code.Name == parity.Json["quant_type"]!.GetValue<string>()), block,
        parity.Json["double_quant"]!.GetValue<bool>(), "weight");

    private static bool IsClose(ParityCase parity, string name, Tensor actual) =>
        actual.allclose(parity.Read(name), parity.Relative, parity.Absolute);

    private static void Same(ParityCase parity, string name, Tensor actual) =>
        TensorAssert.Close(parity.Read(name), actual, 0, 0, $"{Path.GetFileName(parity.Folder)}: {name}, to the bit");
}
