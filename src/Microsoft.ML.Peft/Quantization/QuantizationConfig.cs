using System.Text.Json.Nodes;
using TorchSharp;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>The <c>quantization_config</c> by which transformers knows, from config.json, that bitsandbytes wrote the weights.</summary>
internal static class QuantizationConfig
{
    public const string Key = "quantization_config";

    /// <summary>The entry for a model of such matrices; null for a format that bitsandbytes does not read.</summary>
    public static JsonObject? Of(PackedMatrix matrix) => matrix.Options switch
    {
        { Format: QuantizationFormat.Int8Rowwise } => new JsonObject { ["quant_method"] = "bitsandbytes", ["load_in_8bit"] = true, ["load_in_4bit"] = false },
        { } options when FourBitCode.Of(options.Format) is { } code => new JsonObject
        {
            ["quant_method"] = "bitsandbytes",
            ["load_in_4bit"] = true,
            ["load_in_8bit"] = false,
            ["bnb_4bit_quant_type"] = code.Name,
            ["bnb_4bit_use_double_quant"] = options.DoubleQuantization is true,
            ["bnb_4bit_compute_dtype"] = QuantStateFile.NameOf(matrix.Type),
            ["bnb_4bit_quant_storage"] = "uint8",
        },
        _ => null,
    };
}
