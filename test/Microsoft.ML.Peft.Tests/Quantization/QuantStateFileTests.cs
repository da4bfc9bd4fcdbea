using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Quantization;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Quantization;

[TestClass]
public sealed class QuantStateFileTests
{
    private const string Key = "layer.weight", State = Key + ".quant_state.bitsandbytes__nf4";

    private readonly string _file = Path.GetTempFileName();

    [TestCleanup]
    public void Delete() => File.Delete(_file);

    [TestMethod]
    public void EveryFormatSurvivesAFile() => Matrices.Each((matrix, _, what) =>
    {
        SafetensorsWriter.WriteFile(_file, matrix.Export(Key, transposed: false));
        using SafetensorsFile file = SafetensorsFile.Open(_file);
        if (matrix is BFloat16Matrix)
        {
            // A tensor like any other to whoever reads the file.
            using Tensor plain = file.Read(Key), whole = matrix.Dequantize();
            TensorAssert.Close(whole, plain.to(ScalarType.Float32), 0, 0, what);
            return;
        }
        Assert.IsTrue(QuantStateFile.Has(file.Names, Key));
        Assert.IsTrue(file.Names.All(name => name == Key || QuantStateFile.IsPartOf(name, Key)), string.Join(", ", file.Names));
        using PackedMatrix read = QuantStateFile.Read(file, Key, matrix.Outputs, matrix.Inputs, CPU);
        Assert.AreEqual(matrix.GetType(), read.GetType());
        using Tensor expected = matrix.Dequantize(), found = read.Dequantize();
        TensorAssert.Close(expected, found, 0, 0, what);
        var parts = read.Export(Key, transposed: false).ToList();
        CollectionAssert.AreEqual(matrix.Export(Key, transposed: false).Select(part => part.Name).ToList(), parts.Select(part => part.Name).ToList());
        foreach (var (name, value) in parts)
        {
            using Tensor stored = file.Read(name);
            TensorAssert.Close(stored, value, 0, 0, $"{what}: {name} of the second generation");
        }
    });

    [TestMethod]
    public void NamesAndStateAreThoseOfBitsandbytes()
    {
        using var scope = NewDisposeScope();
        using Blockwise4Bit matrix = Nested();
        var parts = matrix.Export(Key, transposed: false).ToDictionary(part => part.Name, part => part.Value);
        CollectionAssert.AreEquivalent(
            new[] { Key, Key + ".absmax", Key + ".quant_map", Key + ".nested_absmax", Key + ".nested_quant_map", State }, parts.Keys);
        CollectionAssert.AreEqual(new long[] { 24 * 40 / 2, 1 }, parts[Key].shape);
        Assert.AreEqual(ScalarType.Byte, parts[Key + ".absmax"].dtype);
        string json = Encoding.UTF8.GetString([.. parts[State].data<byte>()]);
        Assert.StartsWith("{\"quant_type\": \"nf4\", \"blocksize\": 64, \"dtype\": \"float32\", \"shape\": [24, 40], \"nested_blocksize\": 256, \"nested_dtype\": \"float32\", \"nested_offset\": ", json);
        Assert.AreEqual(matrix.Scales.Offset, (float)JsonNode.Parse(json)!["nested_offset"]!.GetValue<double>());
    }

    [TestMethod]
    public void PartsThatDoNotFitAreRefusedByName()
    {
        Refused(Key + ".absmax", parts => parts[Key + ".absmax"] = parts[Key + ".absmax"][..^1]);
        Refused(Key + ".absmax", parts => parts[Key + ".absmax"] = parts[Key + ".absmax"].to(ScalarType.Float32));
        Refused(Key + ".absmax", parts => parts.Remove(Key + ".absmax"));
        Refused(Key + ".nested_absmax", parts => parts[Key + ".nested_absmax"] = zeros(2));
        Refused(Key + ".nested_quant_map", parts => parts.Remove(Key + ".nested_quant_map"));
        Refused(Key + ".quant_map", parts => parts[Key + ".quant_map"] = zeros(17));
        Refused(Key, parts => parts[Key] = parts[Key][..^1]);
        Refused(Key, parts => parts[Key] = zeros(24, 40));
        Refused("quant_state", parts => parts[Key + ".quant_state.bitsandbytes__fp4"] = parts[State]);
    }

    [TestMethod]
    public void StatesThatDoNotFitAreRefused()
    {
        RefusedState("[24, 40]", state => state["shape"] = new JsonArray(40, 24));
        RefusedState("power of two", state => state["blocksize"] = 48);
        RefusedState("power of two", state => state["blocksize"] = 0);
        RefusedState("quant_type", state => state["quant_type"] = "af4");
        RefusedState("'shape'", state => state["shape"] = "wide");
        RefusedState("'blocksize'", state => state.Remove("blocksize"));
        RefusedState("'nested_offset'", state => state.Remove("nested_offset"));
        RefusedState("256", state => state["nested_blocksize"] = 128);
        Refused("JSON", parts => parts[State] = tensor(Encoding.UTF8.GetBytes("{\"quant_type\"")));
        Refused("JSON", parts => parts[State] = tensor(Encoding.UTF8.GetBytes("[]")));
        Refused("JSON", parts => parts[State] = tensor(Encoding.UTF8.GetBytes("{\"shape\": [1], \"shape\": [1]}")));
        Refused("JSON", parts => parts[State] = tensor(Encoding.Latin1.GetBytes("{\"quant_type\": \"nf\u00ff\"}")));
        Refused("JSON", parts => parts[State] = tensor(Encoding.Latin1.GetBytes("{\"quant\u00ff\": 1}")));
        Refused("JSON", parts => parts[State] = tensor(Encoding.UTF8.GetBytes("{\"quant_type\": \"\\ud800\"}")));
    }

    [TestMethod]
    public void OutlierColumnsOutsideTheMatrixAreRefused()
    {
        using var scope = NewDisposeScope();
        using PackedMatrix matrix = Quantizer.Quantize(Matrices.Noise(24, 40), new() { Format = QuantizationFormat.Int8Rowwise, OutlierThreshold = 2 }, "w");
        var parts = matrix.Export(Key, transposed: false).ToDictionary(part => part.Name, part => part.Value);
        parts[Key + ".outlier_columns"] = parts[Key + ".outlier_columns"] + 40;
        Assert.Contains("outlier_columns", Assert.ThrowsExactly<InvalidDataException>(() => Read(parts)).Message);
    }

    private static Blockwise4Bit Nested() => Blockwise4Bit.Quantize(Matrices.Noise(24, 40), FourBitCode.Nf4, 64, nested: true, "w");

    private void RefusedState(string words, Action<JsonObject> damage) => Refused(words, parts =>
    {
        JsonObject state = JsonNode.Parse(parts[State].data<byte>().ToArray())!.AsObject();
        damage(state);
        parts[State] = tensor(Encoding.UTF8.GetBytes(state.ToJsonString()));
    });

    private void Refused(string words, Action<Dictionary<string, Tensor>> damage)
    {
        using var scope = NewDisposeScope();
        using Blockwise4Bit matrix = Nested();
        var parts = matrix.Export(Key, transposed: false).ToDictionary(part => part.Name, part => part.Value);
        damage(parts);
        var refused = Assert.ThrowsExactly<InvalidDataException>(() => Read(parts), words);
        Assert.Contains(words, refused.Message);
        Assert.Contains(Key, refused.Message);
    }

    private void Read(Dictionary<string, Tensor> parts)
    {
        SafetensorsWriter.WriteFile(_file, parts.Select(part => (part.Key, part.Value)));
        using SafetensorsFile file = SafetensorsFile.Open(_file);
        QuantStateFile.Read(file, Key, 24, 40, CPU).Dispose();
    }
}
